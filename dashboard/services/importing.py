"""A document replaces what an instance holds. Rows of what stays the same are kept, with their ids and counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from dashboard.choices import Verb
from dashboard.engine.content import Content, Entry, Kind
from dashboard.engine.diff import Change, diff_contents
from dashboard.engine.going_back import CLIENTS, Order, Stays, final_order, gone_back, note_rows
from dashboard.engine.linting import Finding, review_text
from dashboard.engine.matching import match_clients, match_entries
from dashboard.engine.parse import UnreadableDocument, parse_document
from dashboard.engine.secrets import masked_places
from dashboard.models import Credential, Instance, Node, Revision
from dashboard.models.jsontext import write_comments, write_json
from dashboard.services.auditing import Actor, record
from dashboard.services.instances import create_instance
from dashboard.services.locking import writing
from dashboard.services.ports import PortConflict, conflicts_of
from dashboard.services.storing import (
    BATCH_ROWS,
    MODELS,
    client_columns,
    delete_rows,
    entry_columns,
    load_content,
    tell_planner,
    update_rows,
)
from proxycore.api import Problem, render_path


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import does: `changes` in words, what is `kept` although it is not taken apart, and what the data plane and the
    linter say.

    `version` is the instance's when this was found; hand it to the import, which then refuses if it is not any more.
    """

    changes: list[Change]
    kept: list[Problem]
    problems: list[Problem] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    port_conflicts: list[PortConflict] = field(default_factory=list)
    version: int | None = None

    @property
    def can_run(self) -> bool:
        """Whether the data plane takes it as it is."""
        return not any(one.severity == "error" for one in self.problems)


def preview(text: str, instance: Instance | None = None, *, node: Node | None = None, file: str = "document") -> Preview:
    """What importing `text` would change; into a new instance (of `node`) if none is given. Changes nothing.

    Raises: UnreadableDocument.
    """
    new, kept = _read(text, file)
    old = load_content(instance) if instance is not None else Content({})
    where = instance.node if instance is not None else node
    conflicts = conflicts_of(where, new, instance) if where is not None else []
    changes = diff_contents(old, new)
    problems, findings = review_text(text, file)
    return Preview(changes, kept, problems, findings, conflicts, instance.version if instance is not None else None)


def import_document(
    instance: Instance,
    text: str,
    *,
    by: Actor,
    expected_version: int | None = None,
    keep_inactive: bool = False,
    revision: Revision | None = None,
    file: str = "document",
    verb: Verb = Verb.IMPORTED,
    note: str = "",
) -> Preview:
    """Make `instance` hold exactly this document; what it held and the document has not is deleted.

    `keep_inactive`: entries that are switched off, and clients that may not be used now, were not in any document that
    was published: they stay as they are. With the `revision` that the document is of, what was off when that was published
    and is not any more stays too, and is off again; comments stay.

    Raises: UnreadableDocument; VersionConflict.
    """
    new, kept = _read(text, file)
    if revision is not None:
        note_rows(new, revision.rows)
    return _import(
        instance, new, kept, by=by, expected_version=expected_version, keep_inactive=keep_inactive or revision is not None,
        since=revision.created_at if revision is not None else None, verb=verb, note=note)


def _import(
    instance: Instance,
    new: Content,
    kept: list[Problem],
    *,
    by: Actor,
    expected_version: int | None = None,
    keep_inactive: bool = False,
    since: datetime | None = None,
    verb: Verb = Verb.IMPORTED,
    note: str = "",
) -> Preview:
    with writing(instance.pk, expected_version) as locked:
        old = load_content(locked)
        if keep_inactive:
            new = gone_back(old, new, staying_of(locked, since))
        changes = diff_contents(old, new)
        _replace(locked, old, new)
        tell_planner(sum(1 + len(entry.clients) for entries in new.entries.values() for entry in entries))
        record(by, verb, locked, instance=locked, changes=changes, note=note)
    instance.refresh_from_db()
    return Preview(changes, kept, version=instance.version)


def import_content(
    instance: Instance,
    new: Content,
    *,
    by: Actor,
    expected_version: int | None = None,
    verb: Verb = Verb.IMPORTED,
    note: str = "",
) -> Preview:
    """The same for content that comes from no text. Raises VersionConflict."""
    return _import(instance, new, [], by=by, expected_version=expected_version, verb=verb, note=note)


@transaction.atomic
def import_new(text: str, *, name: str, node: Node, by: Actor, file: str = "document") -> tuple[Instance, Preview]:
    """A new instance that holds this document. Raises: UnreadableDocument; ServiceError, the name is taken."""
    new, kept = _read(text, file)
    instance = create_instance(name=name, node=node, by=by)
    return instance, _import(instance, new, kept, by=by)


def _read(text: str, file: str) -> tuple[Content, list[Problem]]:
    new, kept = parse_document(text, file)
    masked = [*masked_places(new.rest), *_masked_in_entries(new)]
    if masked:
        path = render_path(masked[0])
        message = "stands masked here: this document was exported without its secrets and cannot be imported"
        raise UnreadableDocument([Problem("error", file, 0, 0, path, message)])
    return new, kept


def _masked_in_entries(content: Content) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    for entries in content.entries.values():
        for entry in entries:
            for one in (entry, *entry.clients):
                found += [(*one.place, *inner) for inner in masked_places(one.body)]
    return found


def staying_of(instance: Instance, since: datetime | None) -> Stays:
    """What stays of the entries that a published document does not have, `since` being when it was published.

    What is off, expired or used up stays as it is; what was there by then must have been off, and is switched off.
    """
    usable = set(Credential.objects.filter(inbound__instance=instance).usable().values_list("pk", flat=True))
    there: dict[str, set[int]] = {}
    if since is not None:
        models: list[tuple[str, Any]] = [(str(kind), model.objects.filter(instance=instance)) for kind, model in MODELS.items()]  # type: ignore[attr-defined]
        models.append((CLIENTS, Credential.objects.filter(inbound__instance=instance)))
        there = {what: set(rows.filter(created_at__lte=since).values_list("pk", flat=True)) for what, rows in models}

    def stays(what: str, entry: Entry) -> Entry | None:
        if not entry.enabled or (what == CLIENTS and entry.pk not in usable):
            return entry
        return replace(entry, enabled=False) if entry.pk in there.get(what, ()) else None

    return stays


def _replace(instance: Instance, old: Content, new: Content) -> None:
    instance.rest = write_json(new.rest)
    instance.comments = write_comments(new.comments)
    instance.save(update_fields=["rest", "comments"])
    for kind in Kind:
        pairs = match_entries(kind, old.entries[kind], new.entries[kind])
        final = final_order(old.entries[kind], new.entries[kind], pairs, set())
        sync_entries(instance, kind, old.entries[kind], final)
        if kind is Kind.INBOUND:
            sync_clients(final)


def sync_entries(instance: Instance, kind: Kind, old: Sequence[Entry], final: Order) -> None:
    """Make the rows of one list what `final` says, touching only those that change. Sets `pk` of the entries."""
    model: Any = MODELS[kind]
    staying = {before.pk for _, before in final if before is not None}
    delete_rows(model, [entry.pk for entry in old if entry.pk not in staying and entry.pk is not None])
    updates: list[tuple[int, dict[str, Any]]] = []
    fresh: list[Entry] = []
    rows: list[Any] = []
    for position, (entry, before) in enumerate(final):
        values = {"position": position, "enabled": entry.enabled}
        if before is None:
            fresh.append(entry)
            rows.append(model(instance=instance, **values, **entry_columns(kind, entry)))
            continue
        entry.pk = before.pk
        if _has_changed(entry, before, position):
            updates.append((before.pk or 0, {**values, **entry_columns(kind, entry)}))
    update_rows(model, updates)
    for entry, row in zip(fresh, model.objects.bulk_create(rows, batch_size=BATCH_ROWS), strict=True):
        entry.pk = row.pk


def sync_clients(inbounds: Order, inactive: frozenset[tuple[str, int | None]] = frozenset()) -> None:
    """The same for the clients of inbounds, whose rows are there."""
    removed: list[int] = []
    updates: list[tuple[int, dict[str, Any]]] = []
    fresh: list[Credential] = []
    for inbound, inbound_before in inbounds:
        if inbound is inbound_before:
            continue  # it was kept as it is, with its clients
        old = inbound_before.clients if inbound_before is not None else []
        pairs = match_clients(old, inbound.clients)
        kept = {number for number, client in enumerate(old) if ("client", client.pk) in inactive}
        final = final_order(old, inbound.clients, pairs, kept)
        staying = {before.pk for _, before in final if before is not None}
        removed += [client.pk for client in old if client.pk not in staying and client.pk is not None]
        for position, (client, before) in enumerate(final):
            values = {"position": position, "enabled": client.enabled}
            if before is None:
                fresh.append(Credential(inbound_id=inbound.pk or 0, **values, **client_columns(client)))
            elif _has_changed(client, before, position):
                updates.append((before.pk or 0, {**values, **client_columns(client)}))
    delete_rows(Credential, removed)
    update_rows(Credential, updates)
    Credential.objects.bulk_create(fresh, batch_size=BATCH_ROWS)


def _has_changed(entry: Entry, before: Entry, position: int) -> bool:
    return (
        before.position != position
        or entry.enabled != before.enabled
        or entry.comments != before.comments
        or write_json(entry.body) != write_json(before.body)
    )
