"""Tunnels that take no new clients for now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.base import ApiView
from dashboard.api.permissions import OfToken
from dashboard.models import Instance
from dashboard.services.pausing import pause, resume


class TunnelSerializer(serializers.Serializer):
    instance = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    tunnel = serializers.CharField(max_length=255, help_text="tag of its portal or bridge in this instance")
    kind = serializers.ChoiceField(["portal", "bridge"], default="portal")


class PausedSerializer(serializers.Serializer):
    """`changed`: it was not so before."""

    changed = serializers.BooleanField()


class _View(OfToken, ApiView):
    is_for_all = True
    needs: ClassVar = {"*": ["dashboard.publish_instance"]}

    def do(self, request: Request, act: Callable[..., bool]) -> Response:
        asked = TunnelSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = asked.validated_data
        instance = get_object_or_404(self.limited(Instance.objects.all(), request, "pk"), pk=given["instance"])
        return Response({"changed": act(instance, given["kind"], given["tunnel"], by=request.user)})


class PauseView(_View):
    @extend_schema(request=TunnelSerializer, responses=PausedSerializer)
    def post(self, request: Request) -> Response:
        """Let a tunnel take no new clients, at once and until it is resumed. What runs on it goes on."""
        return self.do(request, pause)


class ResumeView(_View):
    @extend_schema(request=TunnelSerializer, responses=PausedSerializer)
    def post(self, request: Request) -> Response:
        """Let it take new clients again."""
        return self.do(request, resume)
