"""What the page of an entry needs to know of the sort of entry that it shows: one editor each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from django import forms
from django.contrib.auth.models import User
from django.db.models import Model
from django.utils.text import capfirst

from dashboard.admin.links import change_link, client_link, instance_link, page_link
from dashboard.admin.rows import named
from dashboard.admin_base import NumberInput, Select, Switch, Textarea, TextInput
from dashboard.choices import ResetPeriod
from dashboard.engine import describe
from dashboard.engine.checking import CheckedProblem, entry_problems
from dashboard.engine.content import Body, Kind, client_place, new_client_key
from dashboard.forms.entry_fields import Group
from dashboard.forms.entry_kinds import Tags, client_groups, entry_groups
from dashboard.models import Balancer, Bridge, Credential, Inbound, Instance, Outbound, Portal
from dashboard.models import Entry as EntryModel
from dashboard.models.jsontext import write_json
from dashboard.services.clients import change_client, create_client, new_client_body
from dashboard.services.editing import change_entry, create_entry

GIB: Final = 1 << 30
_NEW: Final[dict[Kind, Body]] = {
    Kind.INBOUND: {"tag": "", "port": 0, "protocol": "vmess", "settings": {"clients": []}},
    Kind.OUTBOUND: {"tag": "", "protocol": "freedom"},
    Kind.PORTAL: {"tag": "", "domain": ""},
    Kind.BRIDGE: {"tag": "", "domain": ""},
    Kind.RULE: {"type": "field"},
    Kind.BALANCER: {"tag": "", "selector": []},
}


class Editor(Protocol):
    """One thing that the page edits. `row` None: it is new."""

    row: Any
    instance: Instance
    name: str               # what this sort of thing is called

    @property
    def title(self) -> str: ...
    @property
    def back(self) -> tuple[str, str]:
        """Where it is listed: address and words."""
    def stored(self) -> Body:
        """With its secrets."""
    def groups(self, body: Body) -> list[Group]: ...
    def protocols(self, body: Body) -> list[tuple[str, str]]:
        """What can be chosen; empty where there is nothing to choose."""
    def problems(self, body: Body) -> Sequence[CheckedProblem]: ...
    def extra(self, data: Any) -> forms.Form:
        """What is no part of its JSON."""
    def save(self, body: Body, extra: dict[str, Any], by: User, version: int) -> Any: ...
    def link(self, row: Any) -> str: ...


def fingerprint(editor: Editor) -> str:
    """To see whether somebody changed it since a page was opened."""
    return hashlib.sha256(write_json(editor.stored()).encode()).hexdigest() if editor.row is not None else ""


class EnabledForm(forms.Form):
    enabled = forms.BooleanField(required=False, widget=Switch(), help_text="Off: it is kept, and is in no document.")


class EntryEditor:
    def __init__(self, kind: Kind, instance: Instance, row: EntryModel | None) -> None:
        self.kind, self.instance, self.row, self.name = kind, instance, row, str(kind)

    @property
    def title(self) -> str:
        return f"New {self.kind}" if self.row is None else capfirst(named(self.name, self.row))

    @property
    def back(self) -> tuple[str, str]:
        return instance_link(self.instance, f"{self.kind}s"), f"All {self.kind}s of {self.instance}"

    def stored(self) -> Body:
        return dict(_NEW[self.kind]) if self.row is None else self.row.entry

    def groups(self, body: Body) -> list[Group]:
        return entry_groups(self.kind, body, tags_of(self.instance))

    def protocols(self, body: Body) -> list[tuple[str, str]]:
        if self.kind not in (Kind.INBOUND, Kind.OUTBOUND):
            return []
        choices = describe.protocol_choices("inbound" if self.kind is Kind.INBOUND else "outbound")
        current = str(body.get("protocol", ""))
        return choices if current in dict(choices) else [*choices, (current, f"{current} (not run by this version)")]

    def problems(self, body: Body) -> Sequence[CheckedProblem]:
        return entry_problems(self.kind, body)

    def extra(self, data: Any) -> forms.Form:
        return EnabledForm(data, initial={"enabled": self.row is None or self.row.enabled})

    def save(self, body: Body, extra: dict[str, Any], by: User, version: int) -> Any:
        if self.row is None:
            return create_entry(self.instance, self.kind, body, by=by, enabled=extra["enabled"])
        return change_entry(
            self.row, body, by=by, expected_version=version, enabled=extra["enabled"], on_rename="follow")

    def link(self, row: Any) -> str:
        return change_link(self.kind, row.pk)


class LimitsForm(EnabledForm):
    """What a client may do, beside being known."""

    expires_at = forms.DateTimeField(
        required=False, label="Expires", widget=TextInput(attrs={"type": "datetime-local"}), help_text="UTC. Empty: never.")
    data_limit = forms.DecimalField(
        required=False, min_value=0, max_digits=12, decimal_places=3, label="Data limit",
        widget=NumberInput(attrs={"step": "any"}), help_text="GiB, both ways together. Empty: none.")
    reset_period = forms.ChoiceField(
        choices=ResetPeriod, widget=Select(), label="Starts from zero", help_text="When what was used is forgotten.")
    note = forms.CharField(required=False, max_length=2000, widget=Textarea(attrs={"rows": 2}))


class ClientEditor:
    name = "client"

    def __init__(self, inbound: Inbound, row: Credential | None) -> None:
        self.inbound, self.row, self.instance = inbound, row, inbound.instance
        self._new = new_client_body(inbound) if row is None else {}

    @property
    def title(self) -> str:
        which = "New client" if self.row is None else capfirst(named(self.name, self.row))
        return f"{which} of {self.inbound}"

    @property
    def back(self) -> tuple[str, str]:
        address = page_link("admin:dashboard_credential_changelist", inbound__id__exact=self.inbound.pk)
        return address, f"All clients of {self.inbound}"

    def stored(self) -> Body:
        return self._new if self.row is None else self.row.entry

    def groups(self, body: Body) -> list[Group]:
        return client_groups(self.inbound.protocol, body)

    def protocols(self, body: Body) -> list[tuple[str, str]]:
        return []

    def problems(self, body: Body) -> Sequence[CheckedProblem]:
        inbound = self.inbound.entry
        place = client_place(inbound) or ("settings", new_client_key(inbound))
        here = (*place, 0)
        return [
            CheckedProblem(one.path[len(here) :], one.message, one.severity)
            for one in entry_problems(Kind.INBOUND, inbound, [body])
            if one.path[: len(here)] == here
        ]

    def extra(self, data: Any) -> forms.Form:
        if self.row is None:
            return LimitsForm(data, initial={"enabled": True, "reset_period": ResetPeriod.NEVER})
        limit = self.row.data_limit_bytes
        return LimitsForm(data, initial={
            "enabled": self.row.enabled, "reset_period": self.row.reset_period, "note": self.row.note,
            "expires_at": self.row.expires_at.strftime("%Y-%m-%dT%H:%M") if self.row.expires_at else "",
            "data_limit": f"{limit / GIB:.3f}".rstrip("0").rstrip(".") if limit is not None else "",
        })

    def save(self, body: Body, extra: dict[str, Any], by: User, version: int) -> Any:
        given = dict(extra)
        wanted = given.pop("data_limit")
        limit = self.row.data_limit_bytes if self.row is not None else None
        if wanted is None or limit is None or f"{limit / GIB:.3f}" != f"{wanted:.3f}":     # what was only rounded stays
            limit = int(wanted * GIB) if wanted is not None else None
        expires_at: datetime | None = given["expires_at"]
        if self.row is not None and self.row.expires_at and expires_at == self.row.expires_at.replace(second=0, microsecond=0):
            given["expires_at"] = self.row.expires_at
        if self.row is None:
            return create_client(self.inbound, body, by=by, data_limit_bytes=limit, **given)
        return change_client(self.row, by=by, expected_version=version, body=body, data_limit_bytes=limit, **given)

    def link(self, row: Any) -> str:
        return client_link(row.pk)


def tags_of(instance: Instance) -> Tags:
    """What entries of the instance may name, in the order of its lists."""

    def tags(*models: type[Model]) -> tuple[str, ...]:
        found: list[str] = []
        for model in models:
            rows: Any = model._default_manager.filter(instance=instance).exclude(tag="")
            found += rows.order_by("position", "id").values_list("tag", flat=True)
        return tuple(found)

    of_clients = Credential.objects.filter(inbound__instance=instance).exclude(reverse_tag="")
    of_outbounds = Outbound.objects.filter(instance=instance).exclude(reverse_tag="")
    return Tags(
        (*tags(Inbound, Bridge), *of_outbounds.values_list("reverse_tag", flat=True)),
        (*tags(Outbound, Portal), *dict.fromkeys(of_clients.values_list("reverse_tag", flat=True))),
        tags(Balancer),
    )


