"""What a host joins with."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dashboard.models.node import Node


class JoinTokenQuerySet(QuerySet["JoinToken"]):
    def usable(self) -> JoinTokenQuerySet:
        return self.filter(Q(revoked_at=None), used__lt=F("max_uses"), expires_at__gt=timezone.now())


class JoinToken(models.Model):
    """Exchanged for a node's identity, `max_uses` times. Shown once; kept are its first characters and the hash of its secret.

    With a `node`, who joins is that node, and an identity that it had before ends. Without, each one is a new node.
    """

    name = models.CharField(max_length=64, help_text="of the node, or what it is for")
    node = models.ForeignKey(Node, on_delete=models.CASCADE, null=True, blank=True, related_name="join_tokens")
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False, help_text="SHA-256 of 256 random bits")
    approves = models.BooleanField(default=False, help_text="who joins with it needs no approval")
    max_uses = models.PositiveIntegerField(default=1)
    used = models.PositiveIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    made_by_name = models.CharField(max_length=150, blank=True, default="", help_text="empty: a command on the host")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = JoinTokenQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.name

    @property
    def uses_left(self) -> int:
        return max(0, self.max_uses - self.used)

    @property
    def standing(self) -> str:
        """In a word, for lists."""
        if self.revoked_at is not None:
            return "revoked"
        if not self.uses_left:
            return "used"
        return "expired" if self.expires_at <= timezone.now() else "works"
