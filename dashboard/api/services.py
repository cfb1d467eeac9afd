"""Services: exposing one, the far side's file, and taking it down."""

from __future__ import annotations

from typing import Any, ClassVar, Final, get_args

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.documents import as_finding
from dashboard.api.entries import SECRETS, SecretView
from dashboard.api.problems import ApiProblem
from dashboard.api.serializers import ChangeSerializer, FindingSerializer
from dashboard.choices import Verb
from dashboard.engine.exposing import CORES, Carrier
from dashboard.engine.parse import parse_entry
from dashboard.engine.secrets import mask_entry
from dashboard.models import Instance, Node, Service
from dashboard.services.auditing import record
from dashboard.services.exposing import OWN_CORE, BadWish, Side, Wish, carry_out, plan, suggested_ports, take_down
from dashboard.services.ports import MAX_PORT

EXPOSE: Final = ["dashboard.add_instance", "dashboard.change_instance", "dashboard.add_service", "dashboard.publish_instance"]
VERSION: Final = OpenApiParameter(
    "version", int, description="the version that the plan gave: refuse if the public instance has changed since")


class ServiceSerializer(serializers.ModelSerializer):
    """`networks`: tcp, udp, or tcp,udp. `far_instance` is null where somebody runs the `core` themselves."""

    class Meta:
        model = Service
        fields: tuple[str, ...] = (
            "id", "name", "instance", "far_instance", "core", "target_host", "target_port", "networks", "public_port",
            "portal_host", "carrier", "carrier_port", "created_at")  # fmt: skip


class ExposedSerializer(ServiceSerializer):
    """`file` is the far side's, with its secrets: who made it gets it this once."""

    file = serializers.DictField()

    class Meta(ServiceSerializer.Meta):
        fields = (*ServiceSerializer.Meta.fields, "file")


class WishSerializer(serializers.Serializer):
    """Either `instance`, to which the public side is added, or `node`, on which a new one is made. Ports that are absent are
    chosen. `far_node`: a node of ours runs the far side; absent, somebody runs `core` with the file that the answer has.
    """

    name = serializers.CharField(max_length=32)
    target_host = serializers.CharField(max_length=255, help_text="as the far side reaches it")
    target_port = serializers.IntegerField(min_value=1, max_value=MAX_PORT)
    networks = serializers.ChoiceField(["tcp", "udp", "tcp,udp"], default="tcp")
    instance = serializers.PrimaryKeyRelatedField(
        queryset=Instance.objects.select_related("node").defer("rest", "comments"), required=False, allow_null=True, default=None)
    node = serializers.PrimaryKeyRelatedField(queryset=Node.objects.all(), required=False, allow_null=True, default=None)
    public_listen = serializers.IPAddressField(required=False, default="", help_text="absent: every address")
    public_port = serializers.IntegerField(min_value=1, max_value=MAX_PORT, required=False)
    portal_host = serializers.CharField(max_length=255, help_text="name or address by which the far side reaches the public one")
    carrier = serializers.ChoiceField(list(get_args(Carrier)), default="vless")
    carrier_port = serializers.IntegerField(min_value=1, max_value=MAX_PORT, required=False)
    core = serializers.ChoiceField(list(CORES), default=OWN_CORE)
    far_node = serializers.PrimaryKeyRelatedField(queryset=Node.objects.all(), required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["instance"] is None) == (attrs["node"] is None):
            raise serializers.ValidationError({"node": "one of instance and node is needed"})
        if attrs["far_node"] is not None and attrs["core"] != OWN_CORE:
            raise serializers.ValidationError({"core": f"a node of ours runs {OWN_CORE}"})
        return attrs

    @property
    def wish(self) -> Wish:
        given = dict(self.validated_data)
        given["node"] = given["node"] or given["instance"].node
        public, carrier = suggested_ports(given["node"])
        given = {"public_port": public or 0, "carrier_port": carrier or 0, **given}
        return Wish(**{**given, "networks": tuple(given["networks"].split(","))})


class ExposeSerializer(WishSerializer):
    publish = serializers.BooleanField(default=True, help_text="false: both sides are made, and nothing runs yet")


class SideSerializer(serializers.Serializer):
    """`instance` is empty for a file that somebody runs."""

    instance = serializers.CharField(allow_blank=True)
    is_new = serializers.BooleanField()
    changes = ChangeSerializer(many=True)
    document = serializers.DictField()
    findings = FindingSerializer(many=True)


class PlanSerializer(serializers.Serializer):
    """Secrets are masked; others are made when it is carried out."""

    near = SideSerializer()
    far = SideSerializer()
    public_port = serializers.IntegerField()
    carrier_port = serializers.IntegerField()
    version = serializers.IntegerField(allow_null=True, help_text="the public instance's; null: it will be new")


class ServiceViewSet(
    SecretView, mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet,
):
    """What people reach through a tunnel."""

    queryset = Service.objects.defer("far_document")
    serializer_class = ServiceSerializer
    lookup_value_converter = "int"
    is_for_all = False
    filterset_fields: ClassVar = ["name", "instance", "far_instance", "core"]
    search_fields: ClassVar = ["name", "target_host"]
    ordering_fields: ClassVar = ["name", "created_at"]
    needs: ClassVar = {
        "create": EXPOSE, "plan": EXPOSE, "destroy": ["dashboard.delete_service", "dashboard.change_instance"],
        "file": ["dashboard.view_service"]}

    @extend_schema(request=ExposeSerializer, responses={201: ExposedSerializer}, parameters=[VERSION])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make both sides of a tunnel, and publish them: everything or nothing."""
        asked = ExposeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        publishes = asked.validated_data.pop("publish")
        version = request.query_params.get("version", "")
        if version and not (version.isascii() and version.isdigit() and len(version) < 19):
            raise serializers.ValidationError({"version": "a number is expected"})
        try:
            service = carry_out(
                asked.wish, by=request.user, expected_version=int(version) if version else None, publishes=publishes)
        except BadWish as error:
            raise _refused(error) from None
        record(request.user, Verb.EXPORTED, service, instance=service.instance, note="the far side's file")
        service.file = parse_entry(service.far_document)  # type: ignore[attr-defined]
        answer = Response(ExposedSerializer(service).data, status.HTTP_201_CREATED)
        answer["Cache-Control"] = "no-store"
        return answer

    @extend_schema(request=WishSerializer, responses={200: PlanSerializer})
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=())
    def plan(self, request: Request) -> Response:
        """What would be made. Nothing is."""
        asked = WishSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wish = asked.wish
        try:
            found = plan(wish)
        except BadWish as error:
            raise _refused(error) from None
        return Response({
            "near": _side(found.near), "far": _side(found.far), "public_port": wish.public_port,
            "carrier_port": wish.carrier_port, "version": found.version})

    @extend_schema(responses={200: OpenApiTypes.OBJECT}, parameters=[SECRETS])
    @action(detail=True, methods=["get"])
    def file(self, request: Request, pk: int = 0) -> Response:
        """The far side's document, masked unless `secrets=1`."""
        service: Service = self.get_object()
        document = parse_entry(service.far_document) if service.far_document else {}
        if not self.wants_secrets():
            return Response(mask_entry(document))
        record(request.user, Verb.EXPORTED, service, instance=service.instance, note="the far side's file")
        answer = Response(document)
        answer["Cache-Control"] = "no-store"
        return answer

    @extend_schema(description="What was made for it goes: its far instance, and the public one if it holds nothing else. "
                               "Where that stays, it takes effect when it is published.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: Service) -> None:
        take_down(instance, by=self.request.user)


def _side(side: Side) -> dict[str, Any]:
    return {
        "instance": side.instance_name, "is_new": side.is_new, "changes": [change.as_json() for change in side.changes],
        "document": side.document, "findings": [as_finding(one) for one in side.findings]}


def _refused(error: BadWish) -> ApiProblem:
    return ApiProblem(400, "refused", error.message, list(error.problems.items()))
