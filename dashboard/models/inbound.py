"""Inbounds and who may use them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dashboard.choices import ResetPeriod
from dashboard.fields import EncryptedTextField
from dashboard.models.entry import TAG_CHARS, WORD_CHARS, Entry, tag_constraint
from dashboard.models.jsontext import StoredComment, read_comments, read_object


class Inbound(Entry):
    """Where connections come in. Its list of clients (`settings.clients`, say) is empty in `body`: they are Credentials."""

    tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    protocol = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    listen = models.CharField(max_length=TAG_CHARS, blank=True, default="", help_text="empty: every address")
    port = models.CharField(max_length=TAG_CHARS, blank=True, default="", help_text="as text: 443, 1000-1002, 80,443")
    network = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    security = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    body = EncryptedTextField(column="inbound.body", default="{}")
    comments = EncryptedTextField(column="inbound.comments", blank=True, default="")

    class Meta(Entry.Meta):
        abstract = False
        constraints = (tag_constraint("inbound_tag_once_per_instance"),)
        indexes = (models.Index(fields=("instance", "position")),)

    def __str__(self) -> str:
        return self.tag or f"{self.protocol or 'inbound'} {self.port}".strip()


class CredentialQuerySet(QuerySet["Credential"]):
    def usable(self) -> CredentialQuerySet:
        """Those that a published document has: enabled, not expired, with data left."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
            Q(data_limit_bytes=None) | Q(used_bytes__lt=F("data_limit_bytes")),
            enabled=True,
        )


class Credential(models.Model):
    """A client of an inbound. `body` is its entry in the list of clients, with the id or password.

    `secret_hash` is a keyed hash of that id or password, to find it again without decrypting anything.
    """

    inbound = models.ForeignKey(Inbound, on_delete=models.CASCADE, related_name="credentials")
    position = models.PositiveIntegerField(default=0)
    enabled = models.BooleanField(default=True)
    email = models.CharField(max_length=TAG_CHARS, blank=True, default="", help_text="or the user's name")
    level = models.PositiveIntegerField(null=True, blank=True)
    flow = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    reverse_tag = models.CharField(max_length=TAG_CHARS, blank=True, default="", help_text="the tunnel that it may open (VLESS)")
    secret_hash = models.CharField(max_length=64, blank=True, default="", db_index=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    data_limit_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    used_bytes = models.PositiveBigIntegerField(default=0, help_text="both ways, since the period began")
    reset_period = models.CharField(max_length=16, choices=ResetPeriod, default=ResetPeriod.NEVER)
    period_began_at = models.DateTimeField(null=True, blank=True)
    period_day = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="of the month, on which monthly periods begin; 0: that of period_began_at")
    note = models.TextField(blank=True, default="")
    body = EncryptedTextField(column="credential.body", default="{}")
    comments = EncryptedTextField(column="credential.comments", blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        ordering = ("inbound", "position", "id")
        indexes = (
            models.Index(fields=("inbound", "position")),
            models.Index(fields=("email",)),
            models.Index(fields=("expires_at",)),
            # Whether an instance is a portal of VLESS is asked for each line of the list of instances; few clients are such.
            models.Index(fields=("inbound",), condition=~Q(reverse_tag=""), name="credential_opens_a_tunnel"),
        )

    def __str__(self) -> str:
        return self.email or f"client {self.position + 1}"

    @property
    def instance_id(self) -> int:
        return self.inbound.instance_id

    @property
    def entry(self) -> dict[str, Any]:
        """The JSON entry; a new object each time."""
        return read_object(self.body)

    @property
    def entry_comments(self) -> list[StoredComment]:
        return read_comments(self.comments)

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_used_up(self) -> bool:
        return self.data_limit_bytes is not None and self.used_bytes >= self.data_limit_bytes

    @property
    def is_usable(self) -> bool:
        """Whether a published document has it."""
        return self.enabled and not self.is_expired and not self.is_used_up
