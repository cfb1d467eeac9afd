"""Who is told when something is wrong, and what they were told."""

from __future__ import annotations

from django.db import models

from dashboard.choices import ConditionKind, ReceiverKind
from dashboard.fields import EncryptedTextField
from dashboard.models.instance import Instance
from dashboard.models.node import Node


class Receiver(models.Model):
    """A webhook, or people with e-mail. `kinds` is what they want to hear of; empty: everything."""

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=ReceiverKind, default=ReceiverKind.WEBHOOK)
    address = EncryptedTextField(column="receiver.address", help_text="a URL; or e-mail addresses, one a line")
    secret = EncryptedTextField(column="receiver.secret", blank=True, default="", help_text="what webhooks are signed with")
    kinds = models.JSONField(default=list, blank=True)
    hold_s = models.PositiveIntegerField(default=30, help_text="seconds that something has to last before it is told")
    enabled = models.BooleanField(default=True)
    told_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="when something last arrived")
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="attempts since then")
    error = models.CharField(max_length=500, blank=True, default="", editable=False, help_text="of the last attempt")
    next_try_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Condition(models.Model):
    """Something that is wrong, or was. `key` names it; there is one open row of a key at the most."""

    key = models.CharField(max_length=400)
    kind = models.CharField(max_length=32, choices=ConditionKind)
    text = models.CharField(max_length=500, help_text="a sentence without secrets")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, null=True, related_name="conditions")
    node = models.ForeignKey(Node, on_delete=models.CASCADE, null=True, related_name="conditions")
    tag = models.CharField(max_length=255, blank=True, default="")
    since = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-since", "-id")
        constraints = (
            models.UniqueConstraint(fields=("key",), condition=models.Q(cleared_at=None), name="condition_open_once"),
        )

    def __str__(self) -> str:
        return self.text


class Notice(models.Model):
    """That a receiver is told of a condition: once when it stands, once when it is over."""

    receiver = models.ForeignKey(Receiver, on_delete=models.CASCADE, related_name="notices")
    condition = models.ForeignKey(Condition, on_delete=models.CASCADE, related_name="notices")
    is_over = models.BooleanField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    is_given_up = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("receiver", "condition", "is_over"), name="notice_once"),)

    def __str__(self) -> str:
        return f"{self.receiver}: {self.condition}{' is over' if self.is_over else ''}"
