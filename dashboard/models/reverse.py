"""The two ends of reverse tunnels."""

from __future__ import annotations

from django.db import models

from dashboard.fields import EncryptedTextField
from dashboard.models.entry import TAG_CHARS, Entry, tag_constraint


class Portal(Entry):
    """The public end: what is routed to its tag goes to the bridges that asked for its domain."""

    tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    domain = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    body = models.TextField(default="{}")
    comments = EncryptedTextField(column="portal.comments", blank=True, default="")

    class Meta(Entry.Meta):
        abstract = False
        constraints = (tag_constraint("portal_tag_once_per_instance"),)
        indexes = (models.Index(fields=("instance", "position")),)

    def __str__(self) -> str:
        return self.tag or self.domain or "portal"


class Bridge(Entry):
    """The far end: dials out to its portal by the domain, and dispatches what comes back under its tag."""

    tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    domain = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    body = models.TextField(default="{}")
    comments = EncryptedTextField(column="bridge.comments", blank=True, default="")

    class Meta(Entry.Meta):
        abstract = False
        constraints = (tag_constraint("bridge_tag_once_per_instance"),)
        indexes = (models.Index(fields=("instance", "position")),)

    def __str__(self) -> str:
        return self.tag or self.domain or "bridge"
