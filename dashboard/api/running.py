"""What runs of an instance: what became of its revisions, and questions to its worker."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.base import ApiView
from dashboard.api.permissions import OfToken, may
from dashboard.models import Instance, InstanceRun
from dashboard.services.asking import LOOKS, ORDERS, ask, is_for_publishers
from dashboard.services.running import confirm, run_of

PUBLISH = "dashboard.publish_instance"


class RunProblemSerializer(serializers.Serializer):
    text = serializers.CharField()
    path = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField()
    column = serializers.IntegerField()


class RunSerializer(serializers.ModelSerializer):
    """Numbers of revisions, 0: none."""

    problems = RunProblemSerializer(many=True, read_only=True)
    changes = serializers.ListField(child=serializers.CharField(), read_only=True)
    is_pending = serializers.BooleanField(read_only=True)

    class Meta:
        model = InstanceRun
        fields = ("instance", "applied", "applied_at", "settled", "confirmed", "confirm_until", "is_pending", "refused",
                  "problems", "changes", "reverted", "reverted_to", "reverted_reason", "reverted_at")  # fmt: skip


class AskSerializer(serializers.Serializer):
    """What may be asked, and with which arguments: docs/live.md."""

    what = serializers.ChoiceField(choices=sorted([*LOOKS, *ORDERS]))
    arguments = serializers.DictField(required=False, default=dict)


class ConfirmSerializer(serializers.Serializer):
    revision = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=2**31 - 1,
        help_text="refuse if another one waits; absent: whichever does")


class ConfirmedSerializer(serializers.Serializer):
    revision = serializers.IntegerField()


class RunningViewSet(OfToken, ApiView, viewsets.GenericViewSet):
    """What runs of an instance."""

    queryset = Instance.objects.all()
    serializer_class = RunSerializer
    lookup_value_converter = "int"
    instance_path = "pk"
    is_for_all = True
    filter_backends = ()
    pagination_class = None
    reads: ClassVar = frozenset({"ask"})        # orders ask for more below
    needs: ClassVar = {"run": ["dashboard.view_instance"], "ask": ["dashboard.view_instance"], "confirm": [PUBLISH]}

    def get_queryset(self) -> QuerySet:
        return self.limited(Instance.objects.select_related("run").defer("rest", "comments"), self.request)

    @extend_schema(responses={200: RunSerializer})
    @action(detail=True, methods=["get"])
    def run(self, request: Request, pk: int = 0) -> Response:
        """What its node said last of its revisions. Whether it runs now is in the live state."""
        return Response(RunSerializer(run_of(self.get_object())).data)

    @extend_schema(request=AskSerializer, responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["post"])
    def ask(self, request: Request, pk: int = 0) -> Response:
        """Ask its worker, or tell it to do something: list and close sessions, block a source, diagnose, restart."""
        instance = self.get_object()
        asked = AskSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        what: str = asked.validated_data["what"]
        arguments: dict[str, Any] = asked.validated_data["arguments"]
        if is_for_publishers(what, arguments) and not may(request, PUBLISH):
            self.permission_denied(request)
        answer: dict[str, Any] = ask(instance, what, arguments, by=request.user)
        return Response(answer)

    @extend_schema(request=ConfirmSerializer, responses={200: ConfirmedSerializer})
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: int = 0) -> Response:
        """Say of a revision on probation that it may stay."""
        instance = self.get_object()
        asked = ConfirmSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response({"revision": confirm(instance, by=request.user, number=asked.validated_data["revision"])})
