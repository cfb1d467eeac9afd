"""Why a tunnel is down."""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.base import ApiView, is_limited
from dashboard.api.permissions import OfToken, may
from dashboard.models import Instance
from dashboard.services.asking import is_for_publishers
from dashboard.services.diagnosing import MAX_TARGET_CHARS, diagnose
from proxycore.messages import questions


class DiagnoseSerializer(serializers.Serializer):
    """`target`: host:port that is to be reached from the bridge, for who may publish; empty: what the tunnel leads to, where
    that is known."""

    instance = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    tunnel = serializers.CharField(max_length=255, help_text="tag of its portal or bridge in this instance")
    target = serializers.RegexField(r"^\S+:\d{1,5}$", max_length=MAX_TARGET_CHARS, default="", allow_blank=True)


class LineSerializer(serializers.Serializer):
    side = serializers.ChoiceField(["panel", "portal", "bridge"])
    name = serializers.CharField()
    title = serializers.CharField()
    outcome = serializers.ChoiceField(["ok", "failed", "warning", "skipped"])
    seen = serializers.CharField()
    cause = serializers.CharField(required=False)
    remedy = serializers.CharField(required=False)
    ms = serializers.FloatField(required=False)


class DiagnosisSerializer(serializers.Serializer):
    """In the order of a connection's way: the first line that failed is why."""

    steps = LineSerializer(many=True)


class DiagnoseView(OfToken, ApiView):
    is_for_all = True
    reads = ("*",)
    needs: ClassVar = {"*": ["dashboard.view_instance"]}

    @extend_schema(request=DiagnoseSerializer, responses=DiagnosisSerializer)
    def post(self, request: Request) -> Response:
        """Try the way of a connection through a tunnel, from all ends that are ours. It may take half a minute."""
        asked = DiagnoseSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = asked.validated_data
        arguments = {"target": given["target"]}
        if is_for_publishers(questions.DIAGNOSE, arguments) and not may(request, "dashboard.publish_instance"):
            self.permission_denied(request)
        instances = self.limited(Instance.objects.all(), request, "pk")
        instance = get_object_or_404(instances, pk=given["instance"])
        only = frozenset(instances.values_list("pk", flat=True)) if is_limited(request) else None
        return Response({"steps": diagnose(instance, given["tunnel"], by=request.user, only=only, **arguments)})
