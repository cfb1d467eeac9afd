"""What programs log in with."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from dashboard.choices import TokenScope
from dashboard.models.instance import Instance


class ApiToken(models.Model):
    """A token of a user. It is shown once; kept are its first characters, to find it, and the hash of its secret."""

    name = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False, help_text="SHA-256 of 256 random bits")
    scope = models.CharField(max_length=16, choices=TokenScope, default=TokenScope.READ)
    may_read_secrets = models.BooleanField(default=False)
    is_limited = models.BooleanField(default=False, editable=False, help_text="only for `instances`, also if none is left")
    instances = models.ManyToManyField(Instance, blank=True, related_name="api_tokens", help_text="none: all of them")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())
