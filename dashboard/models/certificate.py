"""Certificates that instances use."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from dashboard.fields import EncryptedTextField


class Certificate(models.Model):
    """A chain as PEM with its key. What the first certificate says stands in columns, read from it by the service."""

    name = models.CharField(max_length=64, unique=True)
    chain_pem = models.TextField(help_text="PEM, the certificate itself first")
    key_pem = EncryptedTextField(column="certificate.key_pem", blank=True, default="")
    subject = models.CharField(max_length=255, blank=True, default="", editable=False)
    issuer = models.CharField(max_length=255, blank=True, default="", editable=False)
    names = models.TextField(blank=True, default="", editable=False, help_text="names and addresses that it is for, one a line")
    fingerprint_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False, db_index=True)
    not_before = models.DateTimeField(null=True, editable=False)
    not_after = models.DateTimeField(null=True, editable=False, db_index=True)
    note = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_expired(self) -> bool:
        return self.not_after is not None and self.not_after <= timezone.now()
