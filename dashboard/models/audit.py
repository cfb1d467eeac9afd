"""Who did what."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from dashboard.choices import Verb
from dashboard.models.instance import Instance
from dashboard.models.token import ApiToken


class AuditEntry(models.Model):
    """One thing that somebody did. Names are kept as text too, so that it can be read when its object is gone.

    `changes` is a list of {"path", "before", "after", "text"}; secrets are masked before they come here.
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True, default="", help_text="empty: a command on the host")
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True, related_name="+")
    address = models.GenericIPAddressField(null=True, blank=True)
    verb = models.CharField(max_length=16, choices=Verb)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64, blank=True, default="")
    object_name = models.CharField(max_length=255, blank=True, default="")
    instance = models.ForeignKey(Instance, on_delete=models.SET_NULL, null=True, related_name="+")
    changes = models.JSONField(default=list)
    note = models.TextField(blank=True, default="")

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "audit entries"
        indexes = (models.Index(fields=("object_type", "object_id")),)

    def __str__(self) -> str:
        return f"{self.actor_name or 'command'} {self.verb} {self.object_type} {self.object_name}".strip()
