"""What is wrong, and who is told."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.base import ApiView
from dashboard.api.permissions import OfToken
from dashboard.api.problems import ApiProblem
from dashboard.api.viewsets import METHODS
from dashboard.choices import ConditionKind
from dashboard.models import Condition, Receiver
from dashboard.services.notifying import MAX_HOLD_S, NotSent, delete_receiver, save_receiver, send_test


class ConditionSerializer(serializers.ModelSerializer):
    """`cleared_at` is null while it stands."""

    class Meta:
        model = Condition
        fields = ("id", "kind", "text", "instance", "node", "tag", "since", "cleared_at")


class ReceiverSerializer(serializers.ModelSerializer):
    """`address` and `secret` go in, and never come out: an address may hold a secret too."""

    address = serializers.CharField(write_only=True, max_length=4000)
    secret = serializers.CharField(write_only=True, max_length=255, required=False)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(ConditionKind.choices), required=False, max_length=len(ConditionKind),
        help_text="empty: all")
    hold_s = serializers.IntegerField(min_value=0, max_value=MAX_HOLD_S, required=False)

    class Meta:
        model = Receiver
        fields = ("id", "name", "kind", "address", "secret", "kinds", "hold_s", "enabled", "told_at", "failures", "error",
                  "created_at", "updated_at")  # fmt: skip
        read_only_fields = ("told_at", "failures", "error")


class ConditionViewSet(OfToken, ApiView, viewsets.ReadOnlyModelViewSet):
    """What is wrong now, and what was."""

    queryset = Condition.objects.all()
    serializer_class = ConditionSerializer
    lookup_value_converter = "int"
    is_for_all = True
    filterset_fields: ClassVar = {"kind": ["exact"], "instance": ["exact"], "node": ["exact"], "cleared_at": ["isnull"]}
    search_fields: ClassVar = ["text"]
    ordering_fields: ClassVar = ["since", "cleared_at"]

    def get_queryset(self) -> QuerySet:
        return self.limited(super().get_queryset(), self.request)


class ReceiverViewSet(ApiView, viewsets.ModelViewSet):
    """Webhooks and e-mail addresses that are told."""

    queryset = Receiver.objects.defer("address", "secret")
    serializer_class = ReceiverSerializer
    http_method_names = METHODS
    lookup_value_converter = "int"
    filterset_fields: ClassVar = ["name", "kind", "enabled"]
    search_fields: ClassVar = ["name"]
    ordering_fields: ClassVar = ["name", "created_at"]

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = save_receiver(None, by=self.request.user, **serializer.validated_data)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = save_receiver(serializer.instance, by=self.request.user, **serializer.validated_data)

    def perform_destroy(self, instance: Receiver) -> None:
        delete_receiver(instance, by=self.request.user)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: int = 0) -> Response:
        """Send a message that says it is a test."""
        try:
            send_test(self.get_object(), by=request.user)
        except NotSent as error:
            raise ApiProblem(424, "not_sent", f"The test did not arrive: {error}.") from None
        return Response(status=204)
