"""Which connection goes where."""

from __future__ import annotations

from django.db import models

from dashboard.fields import EncryptedTextField
from dashboard.models.entry import TAG_CHARS, WORD_CHARS, Entry, tag_constraint


class RoutingRule(Entry):
    """The first rule, by position, that a connection fits decides. `rule_tag` is its name, if it has one."""

    rule_tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    outbound_tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    balancer_tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    body = models.TextField(default="{}")
    comments = EncryptedTextField(column="rule.comments", blank=True, default="")

    class Meta(Entry.Meta):
        abstract = False
        indexes = (models.Index(fields=("instance", "position")), models.Index(fields=("instance", "outbound_tag")))

    def __str__(self) -> str:
        return self.rule_tag or f"rule {self.position + 1}"


class Balancer(Entry):
    """Chooses among the outbounds whose tags begin with one of its selectors."""

    tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    strategy = models.CharField(max_length=WORD_CHARS, blank=True, default="")
    fallback_tag = models.CharField(max_length=TAG_CHARS, blank=True, default="")
    body = models.TextField(default="{}")
    comments = EncryptedTextField(column="balancer.comments", blank=True, default="")

    class Meta(Entry.Meta):
        abstract = False
        constraints = (tag_constraint("balancer_tag_once_per_instance"),)
        indexes = (models.Index(fields=("instance", "position")),)

    def __str__(self) -> str:
        return self.tag or "balancer"
