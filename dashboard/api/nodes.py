"""Nodes, how hosts join, and what happened there."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import ProtectedError, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.base import ApiView
from dashboard.api.permissions import OfToken
from dashboard.api.problems import ApiProblem
from dashboard.api.serializers import NodeSerializer
from dashboard.choices import Verb
from dashboard.models import JoinToken, Node, NodeEvent
from dashboard.services import nodes
from dashboard.services.auditing import record
from dashboard.services.joining import MAX_HOURS, MAX_USES, join_command, make_join_token, revoke_join_token
from dashboard.services.panel_address import panel_fingerprint

METHODS = ["get", "post", "patch", "delete", "head", "options"]


class NodeViewSet(ApiView, viewsets.ModelViewSet):
    """Hosts that run instances."""

    queryset = Node.objects.all()
    serializer_class = NodeSerializer
    http_method_names = METHODS
    lookup_value_converter = "int"
    filterset_fields: ClassVar = ["name", "is_local", "state", "is_up"]
    search_fields: ClassVar = ["name", "address", "note", "host"]
    ordering_fields: ClassVar = ["name", "created_at", "last_seen_at"]
    needs: ClassVar = {name: ["dashboard.approve_node"] for name in ("approve", "pause", "resume", "revoke")}

    def perform_create(self, serializer: Any) -> None:
        node = serializer.save()
        record(self.request.user, Verb.CREATED, node)

    def perform_update(self, serializer: Any) -> None:
        node = serializer.save()
        record(self.request.user, Verb.CHANGED, node, note=", ".join(serializer.validated_data))

    def perform_destroy(self, instance: Node) -> None:
        if instance.is_local:
            raise ApiProblem(409, "in_use", "This is the panel's own host.")
        if instance.instances.exists():
            raise ApiProblem(409, "in_use", "Instances run on this node; move or delete them first.")
        try:
            nodes.delete(instance, by=self.request.user)
        except ProtectedError:
            raise ApiProblem(409, "in_use", "Instances run on this node; move or delete them first.") from None

    @extend_schema(request=None, responses={200: NodeSerializer})
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: int = 0) -> Response:
        """It may connect, and is sent its documents."""
        return self._done(nodes.approve(node := self.get_object(), by=request.user), node, "It does not wait for approval.")

    @extend_schema(request=None, responses={200: NodeSerializer})
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: int = 0) -> Response:
        """Its workers are stopped until it is resumed."""
        return self._done(nodes.pause(node := self.get_object(), by=request.user), node, "It is not approved.")

    @extend_schema(request=None, responses={200: NodeSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: int = 0) -> Response:
        """It runs what it should again."""
        return self._done(nodes.resume(node := self.get_object(), by=request.user), node, "It is not paused.")

    @extend_schema(request=None, responses={200: NodeSerializer})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: int = 0) -> Response:
        """Its identity is good for nothing any more; its workers are stopped."""
        return self._done(nodes.revoke(node := self.get_object(), by=request.user), node, "It has no identity that is good.")

    def _done(self, is_done: bool, node: Node, otherwise: str) -> Response:
        if not is_done:
            raise ApiProblem(409, "refused", otherwise)
        return Response(self.get_serializer(node).data)


class JoinTokenSerializer(serializers.ModelSerializer):
    """`token` and `command` are there once, in the answer to its making."""

    uses = serializers.IntegerField(source="max_uses", min_value=1, max_value=MAX_USES, default=1)
    hours = serializers.FloatField(write_only=True, min_value=0.01, max_value=MAX_HOURS, default=24)
    approves = serializers.BooleanField(required=False, allow_null=True, default=None)
    name = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    token = serializers.CharField(read_only=True, required=False)
    command = serializers.CharField(read_only=True, required=False)
    standing = serializers.CharField(read_only=True)

    class Meta:
        model = JoinToken
        fields = ("id", "name", "node", "prefix", "uses", "used", "hours", "approves", "expires_at", "revoked_at", "standing",
                  "made_by_name", "last_used_at", "last_used_from", "created_at", "token", "command")  # fmt: skip
        read_only_fields = ("expires_at", "revoked_at", "used", "prefix", "made_by_name", "last_used_at", "last_used_from")


class JoinTokenViewSet(
    ApiView, mixins.CreateModelMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin,
    viewsets.GenericViewSet,
):
    """What hosts join with. A node is sent documents with their secrets, so these are for administrators."""

    queryset = JoinToken.objects.all()
    serializer_class = JoinTokenSerializer
    lookup_value_converter = "int"
    filterset_fields: ClassVar = ["name", "node"]
    search_fields: ClassVar = ["name", "prefix"]
    ordering_fields: ClassVar = ["created_at", "expires_at"]

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        token, text = make_join_token(
            by=request.user, name=given["name"], node=given.get("node"), uses=given["max_uses"], hours=given["hours"],
            approves=given["approves"])
        token.token = text  # type: ignore[attr-defined]
        token.command = join_command(  # type: ignore[attr-defined]
            text, panel_url=request.build_absolute_uri("/"), fingerprint=panel_fingerprint())
        answer = Response(self.get_serializer(token).data, status.HTTP_201_CREATED)
        answer["Cache-Control"] = "no-store"
        return answer

    def perform_destroy(self, instance: JoinToken) -> None:
        revoke_join_token(instance, by=self.request.user)


class EventSerializer(serializers.ModelSerializer):
    class Meta:
        model = NodeEvent
        fields = ("id", "at", "kind", "node", "instance", "tag", "text", "reason", "source", "count", "seconds")


class EventViewSet(OfToken, ApiView, viewsets.ReadOnlyModelViewSet):
    """What happened on nodes, the newest first. Kept for 30 days, 10,000 of each node."""

    queryset = NodeEvent.objects.all()
    serializer_class = EventSerializer
    lookup_value_converter = "int"
    is_for_all = True
    filterset_fields: ClassVar = {
        "node": ["exact"], "instance": ["exact"], "kind": ["exact", "in"], "tag": ["exact"], "at": ["gte", "lte"]}
    search_fields: ClassVar = ["text", "tag", "source"]
    ordering_fields: ClassVar = ["at", "id"]

    def get_queryset(self) -> QuerySet:
        return self.limited(super().get_queryset(), self.request)
