"""What all entries of a document have in common."""

from __future__ import annotations

from typing import Any

from django.db import models

from dashboard.models.instance import Instance
from dashboard.models.jsontext import StoredComment, read_comments, read_object

TAG_CHARS = 255
WORD_CHARS = 64         # names of protocols, transports, strategies


class Entry(models.Model):
    """An entry of a list of a document. Concrete ones have `body`, the entry as JSON, verbatim.

    `position` orders the entries of one list; there may be gaps. The columns are an index of `body`: written by services
    only, together with it. `comments` are those before and inside the entry.
    """

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="%(class)ss")
    position = models.PositiveIntegerField(default=0)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    body: Any
    comments: Any

    class Meta:
        abstract = True
        ordering = ("instance", "position", "id")

    @property
    def entry(self) -> dict[str, Any]:
        """The JSON entry; a new object each time."""
        return read_object(self.body)

    @property
    def entry_comments(self) -> list[StoredComment]:
        return read_comments(self.comments)


def tag_constraint(name: str) -> models.UniqueConstraint:
    """No two entries of an instance have one tag; an empty one may be there many times."""
    return models.UniqueConstraint(
        fields=("instance", "tag"),
        condition=~models.Q(tag=""),
        name=name,
        violation_error_message="another entry of this instance has this tag",
    )
