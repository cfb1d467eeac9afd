"""How much moved."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.base import ApiView
from dashboard.api.permissions import OfToken
from dashboard.choices import TrafficKind
from dashboard.models import Instance, TrafficSeries
from dashboard.services.traffic import RANGES, history


class SeriesSerializer(serializers.ModelSerializer):
    """Totals of all time; `up` is from the client to the target."""

    class Meta:
        model = TrafficSeries
        fields = ("id", "instance", "kind", "name", "up", "down", "opened")


class HistoryQuery(serializers.Serializer):
    instance = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
    kind = serializers.ChoiceField(TrafficKind.choices)
    name = serializers.CharField(max_length=255)
    range = serializers.ChoiceField(list(RANGES), default="1h")


class HistorySerializer(serializers.Serializer):
    """`points`: [begin as Unix time, bytes up, bytes down, connections that began], one each `step` seconds, the oldest first."""

    step = serializers.IntegerField()
    points = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField(), min_length=4, max_length=4))


class TrafficViewSet(OfToken, ApiView, viewsets.ReadOnlyModelViewSet):
    """What inbounds, outbounds, tunnels and clients have moved."""

    queryset = TrafficSeries.objects.all()
    serializer_class = SeriesSerializer
    lookup_value_converter = "int"
    is_for_all = True
    needs: ClassVar = {"*": ["dashboard.view_instance"], "list": ["dashboard.view_instance"],
                       "retrieve": ["dashboard.view_instance"], "history": ["dashboard.view_instance"]}
    filterset_fields: ClassVar = ["instance", "kind", "name"]
    search_fields: ClassVar = ["name"]
    ordering_fields: ClassVar = ["name", "up", "down", "opened"]

    def get_queryset(self) -> QuerySet:
        return self.limited(super().get_queryset(), self.request)

    @extend_schema(parameters=[HistoryQuery], responses=HistorySerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=())
    def history(self, request: Request) -> Response:
        """Points of one of them over the last hour, day, month or year."""
        asked = HistoryQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = asked.validated_data
        instance = get_object_or_404(self.limited(Instance.objects.all(), request, "pk"), pk=given["instance"])
        found = history(instance.pk, given["kind"], given["name"], given["range"])
        return Response({"step": found.step, "points": found.points})
