"""Where connections go out."""

from __future__ import annotations

from django.db import models

from dashboard.fields import EncryptedTextField
from dashboard.models.entry import TAG_CHARS, WORD_CHARS, Entry, tag_constraint


class Outbound(Entry):
    """The first enabled one of an instance is the default, for what no rule takes."""

    tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    protocol = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    address = models.CharField(max_length=TAG_CHARS, blank=True, default="", help_text="of the (first) server")
    port = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    network = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    security = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    proxy_tag = models.CharField(max_length=TAG_CHARS, blank=True, default="", help_text="the outbound that it dials through")
    reverse_tag = models.CharField(max_length=TAG_CHARS, blank=True, default="", help_text="what comes out of its tunnel (VLESS)")
    body = EncryptedTextField(column="outbound.body", default="{}")
    comments = EncryptedTextField(column="outbound.comments", blank=True, default="")

    class Meta(Entry.Meta):
        abstract = False
        constraints = (tag_constraint("outbound_tag_once_per_instance"),)
        indexes = (models.Index(fields=("instance", "position")),)

    def __str__(self) -> str:
        return self.tag or f"{self.protocol or 'outbound'} {self.address}".strip()
