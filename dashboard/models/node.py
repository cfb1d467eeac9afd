"""Hosts that run documents."""

from __future__ import annotations

from django.db import models

from dashboard.choices import Standing


class Node(models.Model):
    """A host that runs an agent. `address`: what the other side of its tunnels reaches it by, a name or an IP.

    The agent proves itself by an identity, of which only a hash is kept. What it says of itself, and when it was heard, is
    written by the consumer that it is connected to; `last_seen_at` is renewed about every half minute, not with each word.
    """

    name = models.CharField(max_length=64, unique=True)
    address = models.CharField(max_length=255, blank=True, default="")
    is_local = models.BooleanField(default=False, help_text="the host that the panel itself runs on")
    note = models.TextField(blank=True, default="")

    state = models.CharField(max_length=16, choices=Standing, default=Standing.NEW, editable=False)
    identity_prefix = models.CharField(max_length=16, unique=True, null=True, blank=True, editable=False)
    identity_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    joined_at = models.DateTimeField(null=True, blank=True, editable=False)
    joined_from = models.GenericIPAddressField(null=True, blank=True, editable=False)

    is_up = models.BooleanField(default=False, editable=False, help_text="its agent is connected, or was until a moment ago")
    connected_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_seen_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    version = models.CharField(max_length=32, blank=True, default="", editable=False)
    host = models.CharField(max_length=255, blank=True, default="", editable=False, help_text="what it calls itself")
    system = models.CharField(max_length=255, blank=True, default="", editable=False)
    clock_skew_s = models.FloatField(null=True, blank=True, editable=False, help_text="its clock less the panel's")
    boots = models.JSONField(default=list, editable=False, help_text="of its last agent processes, the newest last")
    events_boot = models.CharField(max_length=64, blank=True, default="", editable=False, help_text="the agent process that told")
    events_seq = models.PositiveBigIntegerField(default=0, editable=False, help_text="of its last events that are written down")
    twice_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="one identity was used from two places")
    twice_note = models.CharField(max_length=255, blank=True, default="", editable=False)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        permissions = (("approve_node", "Can approve, pause and revoke nodes"),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_let_in(self) -> bool:
        """Whether it has an identity that was not revoked."""
        return self.state in (Standing.WAITING, Standing.APPROVED, Standing.PAUSED)
