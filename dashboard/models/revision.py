"""What was published."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models

from dashboard.fields import EncryptedTextField
from dashboard.models.instance import Instance


class Revision(models.Model):
    """An immutable compiled document. `source_version` is the instance's version that it was made of."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField(help_text="from 1, without gaps, per instance")
    document = EncryptedTextField(column="revision.document", help_text="JSON as text, key order kept")
    document_sha256 = models.CharField(max_length=64)
    source_version = models.PositiveBigIntegerField()
    rows = models.JSONField(
        default=dict, editable=False, help_text="the rows that it was compiled from, by kind, in the order of the document")
    summary = models.JSONField(default=list, help_text="what changed since the revision before, as sentences without secrets")
    comment = models.TextField(blank=True, default="")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    author_name = models.CharField(max_length=150, blank=True, default="")
    confirm_s = models.PositiveIntegerField(
        default=0, help_text="seconds in which it has to prove itself on its node; 0: it is final at once")
    needs_confirm = models.BooleanField(default=False, help_text="within that time a person has to say that it may stay")
    rolled_back_to = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("instance", "-number")
        constraints = (models.UniqueConstraint(fields=("instance", "number"), name="revision_number_once_per_instance"),)

    def __str__(self) -> str:
        return f"{self.instance} #{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            self._refuse()
        super().save(*args, **kwargs)

    def _refuse(self) -> NoReturn:
        raise TypeError("a revision never changes; publish another one")
