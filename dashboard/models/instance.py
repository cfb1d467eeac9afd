"""An instance: one document of a node, in parts."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils.deconstruct import deconstructible

from dashboard.choices import Role
from dashboard.fields import EncryptedTextField
from dashboard.models.jsontext import read_comments, read_object
from dashboard.models.node import Node

LEAST_MEMORY_MIB: Final = 128
"""A worker takes some 30 MiB, a thread that reads a document or asks for a name 8 MiB more: with less it might not start."""

MOST_MEMORY_MIB: Final = 2**20
LEAST_DESCRIPTORS: Final = 64
MOST_DESCRIPTORS: Final = 2**20


@deconstructible
class NoneOrBetween:
    """0 is no limit; any other has to be within these."""

    def __init__(self, least: int, most: int, unit: str) -> None:
        self.least = least
        self.most = most
        self.unit = unit

    def __call__(self, value: int) -> None:
        if value and not self.least <= value <= self.most:
            raise ValidationError(f"0 for no limit, or {self.least:,} to {self.most:,} {self.unit}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoneOrBetween) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.least, self.most, self.unit))


class InstanceQuerySet(QuerySet["Instance"]):
    def with_role(self) -> InstanceQuerySet:
        """With what `role` asks for, so that a list of instances costs one query."""
        from dashboard.models.inbound import Credential
        from dashboard.models.outbound import Outbound
        from dashboard.models.reverse import Bridge, Portal

        mine = {"instance": OuterRef("pk"), "enabled": True}
        vless_portals = Credential.objects.filter(inbound__instance=OuterRef("pk"), enabled=True).exclude(reverse_tag="")
        return self.annotate(
            has_portals=Exists(Portal.objects.filter(**mine)),
            has_bridges=Exists(Bridge.objects.filter(**mine)),
            has_vless_portals=Exists(vless_portals),
            has_vless_bridges=Exists(Outbound.objects.filter(**mine).exclude(reverse_tag="")),
        )

    def with_published(self) -> InstanceQuerySet:
        """With `published_version` and `published_number`: of the newest revision, None if there is none."""
        from dashboard.models.revision import Revision

        newest = Revision.objects.filter(instance=OuterRef("pk")).order_by("-number")
        return self.annotate(
            published_version=Subquery(newest.values("source_version")[:1]),
            published_number=Subquery(newest.values("number")[:1]),
        )


class Instance(models.Model):
    """One Xray document, which one worker of its node runs.

    `rest` is the document with the lists emptied whose entries have tables of their own. `version` grows by one with
    each change, also of any of its entries: two people who edit at once are told apart by it.
    """

    name = models.CharField(max_length=64, unique=True)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="instances")
    note = models.TextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    memory_limit_mib = models.PositiveIntegerField(
        default=0, validators=[NoneOrBetween(LEAST_MEMORY_MIB, MOST_MEMORY_MIB, "MiB")],
        help_text="MiB that its process may take, from its next start on; 0: no limit")
    descriptor_limit = models.PositiveIntegerField(
        default=0, validators=[NoneOrBetween(LEAST_DESCRIPTORS, MOST_DESCRIPTORS, "descriptors")],
        help_text="sockets and files that its process may have open, from its next start on; 0: as many as the node allows")
    rest = EncryptedTextField(column="instance.rest", default="{}")
    comments = EncryptedTextField(column="instance.comments", blank=True, default="")
    version = models.PositiveBigIntegerField(default=1, editable=False)
    settled_version = models.PositiveBigIntegerField(
        null=True, editable=False, help_text="the version that was last known to say what the newest revision says")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = InstanceQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        permissions = (
            ("publish_instance", "Can publish and roll back instances"),
            ("import_instance", "Can replace the content of instances by a document"),
            ("reveal_secrets", "Can see secrets: ids, passwords, keys"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def role(self) -> Role:
        """What it is in its tunnels. Cheap for rows that come from `with_role`."""
        if not hasattr(self, "has_portals"):
            fresh = Instance.objects.with_role().only("pk").get(pk=self.pk)
            return fresh.role
        is_portal = self.has_portals or getattr(self, "has_vless_portals", False)
        is_bridge = getattr(self, "has_bridges", False) or getattr(self, "has_vless_bridges", False)
        if is_portal:
            return Role.BOTH if is_bridge else Role.PORTAL
        return Role.BRIDGE if is_bridge else Role.NONE

    @property
    def may_be_unpublished(self) -> bool:
        """Whether anything was written since it was last known to be what is published: costs nothing, and errs on the
        side of yes (`services.publishing.is_published` compares)."""
        return self.settled_version != self.version

    @property
    def rest_document(self) -> dict[str, Any]:
        """`rest` as JSON; a new object each time."""
        return read_object(self.rest)

    @property
    def rest_comments(self) -> list[tuple[tuple[str | int, ...], str, str]]:
        return read_comments(self.comments)
