"""Tunnels that take no new clients for now."""

from __future__ import annotations

from django.db import models

from dashboard.models.entry import TAG_CHARS, WORD_CHARS
from dashboard.models.instance import Instance


class Pause(models.Model):
    """A tunnel, by its end in `instance`: the row that it is written in (`kind`, `row`), and its tag when it was paused.

    No part of the document: it holds at once, and whatever is published or taken back.
    """

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="pauses")
    side = models.CharField(max_length=8, help_text="portal or bridge")
    tag = models.CharField(max_length=TAG_CHARS)
    kind = models.CharField(max_length=WORD_CHARS)
    row = models.PositiveBigIntegerField(null=True, blank=True)
    by_name = models.CharField(max_length=150, blank=True, default="")
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("instance", "side", "tag"), name="pause_once_per_tunnel"),)

    def __str__(self) -> str:
        return f"{self.side} {self.tag}"
