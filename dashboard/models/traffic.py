"""How much moved: kept for as long as somebody may look at it, coarser with age."""

from __future__ import annotations

from django.db import models

from dashboard.choices import TrafficKind
from dashboard.models.instance import Instance
from dashboard.models.node import Node

NAME_CHARS = 255


class TrafficSeries(models.Model):
    """One thing whose bytes are counted: an inbound, an outbound, a tunnel by its tag, a client by its e-mail.

    The totals are of all time; `up` is from the client to the target.
    """

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="traffic_series")
    kind = models.CharField(max_length=16, choices=TrafficKind)
    name = models.CharField(max_length=NAME_CHARS)
    up = models.PositiveBigIntegerField(default=0)
    down = models.PositiveBigIntegerField(default=0)
    opened = models.PositiveBigIntegerField(default=0, help_text="connections or sessions that began")

    class Meta:
        ordering = ("instance", "kind", "name")
        verbose_name_plural = "traffic series"
        constraints = (models.UniqueConstraint(fields=("instance", "kind", "name"), name="traffic_series_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.instance}"


class TrafficMoved(models.Model):
    """What a node reported and no point has yet: `at` is the begin of ten seconds, Unix time."""

    series = models.ForeignKey(TrafficSeries, on_delete=models.CASCADE, related_name="+")
    at = models.PositiveBigIntegerField()
    up = models.PositiveBigIntegerField()
    down = models.PositiveBigIntegerField()
    opened = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.series_id} at {self.at}"


class TrafficPoint(models.Model):
    """What moved in the `step` seconds from `at` on (Unix time, a multiple of `step`)."""

    series = models.ForeignKey(TrafficSeries, on_delete=models.CASCADE, related_name="points")
    step = models.PositiveIntegerField()
    at = models.PositiveBigIntegerField()
    up = models.PositiveBigIntegerField(default=0)
    down = models.PositiveBigIntegerField(default=0)
    opened = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ("series", "step", "at")
        constraints = (models.UniqueConstraint(fields=("series", "step", "at"), name="traffic_point_once"),)
        indexes = (models.Index(fields=("step", "at"), name="traffic_point_by_age"),)

    def __str__(self) -> str:
        return f"{self.series_id} {self.step} s from {self.at}"


class TrafficSource(models.Model):
    """How far the reports of one agent process were taken: each is taken once, however often it is sent."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="+")
    boot = models.CharField(max_length=64)
    last_seq = models.BigIntegerField()
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("node", "boot"), name="traffic_source_once"),)

    def __str__(self) -> str:
        return f"{self.node_id} {self.boot}"
