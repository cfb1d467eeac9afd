"""What each role may do. Roles are Django's groups; a person can be given others besides, or single rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

PARTS: Final = ("inbound", "credential", "outbound", "portal", "bridge", "routingrule", "balancer")
"""The models of a document's entries."""

_SEEN: Final = ("instance", "node", "nodeevent", "service", "certificate", "revision", "condition", *PARTS)


def _each(actions: Iterable[str], models: Iterable[str], app: str = "dashboard") -> frozenset[str]:
    return frozenset(f"{app}.{action}_{model}" for action in actions for model in models)


_LOOKS = _each(["view"], _SEEN)
_EDITS = (
    _LOOKS
    | _each(["add", "change", "delete"], ("instance", "node", "service", "certificate", *PARTS))
    | _each(["view", "add", "delete"], ["apitoken"])            # their own: the pages show no others
    | {"dashboard.publish_instance", "dashboard.import_instance", "dashboard.view_auditentry"}
)
_ADMINISTERS = (
    _EDITS
    | {"dashboard.reveal_secrets", "dashboard.change_apitoken"}
    # A node is sent documents with their secrets: who lets one in could read them there.
    | {"dashboard.approve_node"} | _each(["view", "add", "delete"], ["jointoken"])
    | _each(["view", "add", "change", "delete"], ["receiver"])
    | _each(["view", "add", "change", "delete"], ["user", "group"], "auth")
    | _each(["view", "delete"], ["accessattempt"], "axes")
)

ROLES: Final[Mapping[str, frozenset[str]]] = {"viewer": _LOOKS, "operator": _EDITS, "admin": _ADMINISTERS}
"""Permissions (`app.codename`) by the role's name."""


def sync_roles(**_: Any) -> None:
    """Give the groups the rights that the table says; after every migrate, so that an upgrade brings its new ones."""
    for name, wanted in ROLES.items():
        group, _made = Group.objects.get_or_create(name=name)
        group.permissions.set(_permissions(wanted))


def _permissions(names: Iterable[str]) -> list[Permission]:
    """Those that exist: while a database is made, the tables of some apps come later, and sync_roles again with them."""
    by_app: dict[str, list[str]] = {}
    for name in names:
        app, _, codename = name.partition(".")
        by_app.setdefault(app, []).append(codename)
    condition = Q(pk=None)
    for app, codenames in by_app.items():
        condition |= Q(content_type__app_label=app, codename__in=codenames)
    return list(Permission.objects.filter(condition))
