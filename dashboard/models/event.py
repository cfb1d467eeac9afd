"""What happened on nodes."""

from __future__ import annotations

from django.db import models

from dashboard.models.instance import Instance
from dashboard.models.node import Node


class NodeEvent(models.Model):
    """A `proxycore.messages.events.Event` of a node, kept for a while (services/events.py). Nothing in it is secret."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="events")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, null=True, blank=True, related_name="events")
    kind = models.CharField(max_length=32, help_text="proxycore.messages.events.Kind")
    at = models.DateTimeField(db_index=True)
    tag = models.CharField(max_length=255, blank=True, default="", help_text="portal, bridge or inbound")
    text = models.CharField(max_length=500, blank=True, default="")
    reason = models.CharField(max_length=64, blank=True, default="")
    source = models.CharField(max_length=64, blank=True, default="")
    count = models.PositiveBigIntegerField(default=1)
    seconds = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("node", "-at")),
            models.Index(fields=("instance", "-at")),
            models.Index(fields=("kind", "-at")),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.text}".strip()
