"""Entries of documents, and clients of inbounds."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api import serializers as shapes
from dashboard.api.base import ApiView
from dashboard.api.permissions import OfToken, may_see_secrets
from dashboard.api.problems import ApiProblem
from dashboard.api.versions import expected_version, with_etag
from dashboard.api.viewsets import METHODS, rows_to_switch
from dashboard.choices import Verb
from dashboard.engine.checking import entry_problems
from dashboard.engine.content import Kind
from dashboard.engine.secrets import restore
from dashboard.models import Balancer, Bridge, Credential, Inbound, Instance, Outbound, Portal, RoutingRule
from dashboard.services.auditing import record
from dashboard.services.clients import change_client, create_client, delete_clients, new_client_body, reset_usage
from dashboard.services.editing import change_entry, clone_entry, create_entry, delete_entries
from dashboard.services.ordering import move_entry
from dashboard.services.switching import set_enabled
from proxycore.api import render_path

SECRETS: Final = OpenApiParameter("secrets", bool, description="1: with secrets, for who may see them; the audit log says so")
ANYWAY_SAVE: Final = OpenApiParameter("anyway", bool, description="1: save it although it has errors")
ANYWAY_DELETE: Final = OpenApiParameter("anyway", bool, description="1: delete it although others name it")
ON_RENAME: Final = OpenApiParameter(
    "on_rename", str, enum=["refuse", "follow", "leave"], description="what happens to those that name the old tag")
IF_MATCH: Final = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="the instance's version, an ETag")


def is_asked(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in ("1", "true", "yes")


class SecretView(OfToken, ApiView):
    """Rows with secrets: masked unless one may see them and asks."""

    is_for_all = True
    request: Request

    def get_serializer_context(self) -> dict[str, Any]:
        context: dict[str, Any] = super().get_serializer_context()  # type: ignore[misc]
        return {**context, "secrets": self.wants_secrets()}

    def wants_secrets(self) -> bool:
        if getattr(self, "swagger_fake_view", False) or not is_asked(self.request, "secrets"):
            return False
        if not may_see_secrets(self.request):
            detail = "Secrets are for tokens that may read them, or after the password was given."
            raise ApiProblem(403, "secrets_refused", detail)
        return True

    def note_revealed(self, count: int, row: Any = None) -> None:
        if self.wants_secrets() and count:
            record(self.request.user, Verb.REVEALED, row, note="" if row is not None else f"{count} entries by the API",
                   instance=row.inbound.instance if isinstance(row, Credential) else getattr(row, "instance", None))


_WITH_BODY = {"parameters": [SECRETS]}


@extend_schema_view(list=extend_schema(**_WITH_BODY), retrieve=extend_schema(**_WITH_BODY))  # type: ignore[arg-type]
class _RowsViewSet(SecretView, viewsets.ModelViewSet):
    http_method_names = METHODS
    lookup_value_converter = "int"
    ordering_fields: ClassVar = ["position", "id", "created_at", "updated_at"]
    ordering: ClassVar = ["id"]
    changes: ClassVar = frozenset({"switch"})

    def get_queryset(self) -> QuerySet:
        rows: QuerySet = super().get_queryset()
        return rows if getattr(self, "swagger_fake_view", False) else self.limited(rows, self.request)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer = super().list(request, *args, **kwargs)
        self.note_revealed(len(answer.data["results"]))
        return answer

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.answer(self.get_object())

    def answer(self, row: Any, status_code: int = 200) -> Response:
        self.note_revealed(1, row)
        version = Instance.objects.values_list("version", flat=True).get(pk=row.instance_id)
        return with_etag(Response(self.get_serializer(row).data, status_code), version)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: int = 0) -> Response:
        return self._switched(True)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int = 0) -> Response:
        return self._switched(False)

    @extend_schema(request=shapes.SwitchSerializer, responses={200: shapes.SwitchedSerializer})
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=())
    def switch(self, request: Request) -> Response:
        """Switch many on or off: all or none."""
        rows, enabled = rows_to_switch(request, self.get_queryset())
        return Response({"changed": set_enabled(rows, enabled, by=request.user)})

    def _switched(self, enabled: bool) -> Response:
        row = self.get_object()
        set_enabled([row], enabled, by=self.request.user)
        return self.answer(self.get_object())


class EntryViewSet(_RowsViewSet):
    kind: Kind

    @extend_schema(parameters=[ANYWAY_SAVE, IF_MATCH])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        self._check(given["body"])
        row = create_entry(
            given["instance"], self.kind, given["body"], by=request.user, expected_version=expected_version(request),
            enabled=given.get("enabled", True), position=given.get("position"))
        return self.answer(row, status.HTTP_201_CREATED)

    @extend_schema(parameters=[ANYWAY_SAVE, ON_RENAME, IF_MATCH])
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        serializer = self.get_serializer(row, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        on_rename = request.query_params.get("on_rename", "refuse")
        if on_rename not in ("refuse", "follow", "leave"):
            raise serializers.ValidationError({"on_rename": "refuse, follow or leave"})
        body = given.get("body")
        if body is not None:
            self._check(restore(body, row.entry))
        changed = change_entry(
            row, row.entry if body is None else body, by=request.user, expected_version=expected_version(request),
            enabled=given.get("enabled"), on_rename=on_rename)  # type: ignore[arg-type]
        return self.answer(changed)

    @extend_schema(parameters=[ANYWAY_DELETE, IF_MATCH])
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        delete_entries([self.get_object()], by=request.user, expected_version=expected_version(request),
                       anyway=is_asked(request, "anyway"))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=shapes.MoveSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: int = 0) -> Response:
        row = self.get_object()
        asked = shapes.MoveSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        to, version = asked.validated_data["to"], expected_version(request)
        return self.answer(move_entry(row, to, by=request.user, expected_version=version))

    @extend_schema(request=None, responses={201: None})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: int = 0) -> Response:
        return self.answer(clone_entry(self.get_object(), by=request.user), status.HTTP_201_CREATED)

    def _check(self, body: dict[str, Any]) -> None:
        if is_asked(self.request, "anyway"):
            return
        errors = [one for one in entry_problems(self.kind, body) if one.severity == "error"]
        if errors:
            raise ApiProblem(422, "has_errors", "This entry has errors. `anyway=1` saves it all the same.", [
                (_joined("body", render_path(one.path)), one.message) for one in errors])


def _joined(first: str, rest: str) -> str:
    return f"{first}.{rest}" if rest and not rest.startswith("[") else f"{first}{rest}"


def _viewset(kind: Kind, model: Any, serializer: Any, about: str, filters: list[str], searched: list[str]) -> type[EntryViewSet]:
    members = {
        "kind": kind, "queryset": model.objects.all(), "serializer_class": serializer, "__doc__": about,
        "filterset_fields": ["instance", "enabled", *filters], "search_fields": searched,
    }
    made = type(f"{model.__name__}ViewSet", (EntryViewSet,), members)
    clone: Any = extend_schema(request=None, responses={201: serializer})
    return extend_schema_view(clone=clone)(made)


InboundViewSet = _viewset(
    Kind.INBOUND, Inbound, shapes.InboundSerializer, "Where connections come in. Clients are credentials.",
    ["tag", "protocol", "port", "network", "security"], ["tag", "port"])
OutboundViewSet = _viewset(
    Kind.OUTBOUND, Outbound, shapes.OutboundSerializer, "Where connections go out; the first is the default.",
    ["tag", "protocol", "address"], ["tag", "address"])
PortalViewSet = _viewset(
    Kind.PORTAL, Portal, shapes.PortalSerializer, "Public ends of tunnels.", ["tag", "domain"], ["tag", "domain"])
BridgeViewSet = _viewset(
    Kind.BRIDGE, Bridge, shapes.BridgeSerializer, "Far ends of tunnels.", ["tag", "domain"], ["tag", "domain"])
RuleViewSet = _viewset(
    Kind.RULE, RoutingRule, shapes.RuleSerializer, "The first rule, by position, that a connection fits decides.",
    ["rule_tag", "outbound_tag", "balancer_tag"], ["rule_tag", "outbound_tag", "balancer_tag"])
BalancerViewSet = _viewset(
    Kind.BALANCER, Balancer, shapes.BalancerSerializer, "Each chooses among several outbounds.", ["tag", "strategy"], ["tag"])


class CredentialViewSet(_RowsViewSet):
    """Clients of inbounds."""

    queryset = Credential.objects.select_related("inbound")
    serializer_class = shapes.CredentialSerializer
    instance_path = "inbound__instance"
    filterset_fields: ClassVar = ["inbound", "inbound__instance", "enabled", "email"]
    search_fields: ClassVar = ["email", "note"]
    ordering_fields: ClassVar = ["id", "email", "expires_at", "used_bytes", "created_at"]

    @extend_schema(parameters=[SECRETS, IF_MATCH], description="The answer has the new id or password with `secrets=1`.")
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        inbound = given.pop("inbound")
        body = given.pop("body", None)
        row = create_client(
            inbound, new_client_body(inbound) if body is None else body, by=request.user,
            expected_version=expected_version(request), **given)
        return self.answer(row, status.HTTP_201_CREATED)

    @extend_schema(parameters=[IF_MATCH])
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        serializer = self.get_serializer(row, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        given = {key: value for key, value in serializer.validated_data.items() if key != "inbound"}
        return self.answer(change_client(row, by=request.user, expected_version=expected_version(request), **given))

    def perform_destroy(self, instance: Credential) -> None:
        delete_clients([instance], by=self.request.user)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def reset_usage(self, request: Request, pk: int = 0) -> Response:
        reset_usage([self.get_object()], by=request.user)
        return self.answer(self.get_object())
