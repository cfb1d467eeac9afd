"""Hosts that run documents."""

from __future__ import annotations

from django.db import models


class Node(models.Model):
    """A host that runs an agent. `address`: what the other side of its tunnels reaches it by, a name or an IP."""

    name = models.CharField(max_length=64, unique=True)
    address = models.CharField(max_length=255, blank=True, default="")
    is_local = models.BooleanField(default=False, help_text="the host that the panel itself runs on")
    note = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
