"""Making, changing and deleting entries. Nothing else writes rows of entries but an import."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from dashboard.choices import Verb
from dashboard.engine.content import Body, Content, Entry, Kind, client_place, get
from dashboard.engine.diff import Change, diff_lists, diff_values, entry_name
from dashboard.engine.parse import take_clients
from dashboard.engine.references import SPACE_OF, Reference, references_to, with_tag_replaced
from dashboard.engine.secrets import restore
from dashboard.models import Entry as EntryModel
from dashboard.models import Inbound, Instance
from dashboard.models.jsontext import write_json
from dashboard.services.auditing import Actor, record
from dashboard.services.clientlists import replace_clients, with_disabled
from dashboard.services.errors import ServiceError, TagTaken, WouldBreak, refuse_masks
from dashboard.services.locking import leave_version, writing
from dashboard.services.ports import check_ports
from dashboard.services.storing import (
    MODELS,
    delete_rows,
    entry_columns,
    kind_of,
    load_clients,
    load_entries,
    read_stored_comments,
    update_rows,
)
from proxycore.api import Comment, Loc

OnRename = Literal["refuse", "follow", "leave"]
_NAMING_KINDS: Final = (Kind.OUTBOUND, Kind.RULE, Kind.BALANCER)
"""Kinds whose entries may name a tag of another one."""

_SHARING_TAGS: Final = (Kind.OUTBOUND, Kind.PORTAL, Kind.BALANCER)
_COPY: Final = "-copy"


def create_entry(
    instance: Instance,
    kind: Kind,
    body: Body,
    *,
    by: Actor,
    expected_version: int | None = None,
    enabled: bool = True,
    position: int | None = None,
) -> Any:
    """A new row, at the end, or as number `position` (from 0) of its list. Clients in an inbound's body become Credentials.

    Raises: ServiceError: it has masks instead of secrets; TagTaken; PortTaken; VersionConflict.
    """
    with writing(instance.pk, expected_version) as locked:
        return _create(locked, kind, body, by=by, enabled=enabled, position=position)


def change_entry(
    row: EntryModel,
    body: Body,
    *,
    by: Actor,
    expected_version: int | None = None,
    enabled: bool | None = None,
    on_rename: OnRename = "refuse",
) -> Any:
    """Make `body` what the entry holds; gives the row as it is then. What stays the same in all leaves the version alone.

    Masks in `body` are what the entry has at their places. A list of clients that is not empty replaces those that are
    enabled; an empty or absent one leaves them. When the tag changes which others name, "refuse" raises WouldBreak, "follow"
    changes it in them too, "leave" does not.

    Raises: ServiceError: a mask with nothing behind it, or the entry is gone; TagTaken; PortTaken; WouldBreak; VersionConflict.
    """
    kind = kind_of(row)
    with writing(row.instance_id, expected_version) as instance:
        current = _current(row)
        before = stored_entry(current)
        after = Entry(_without_masks(kind, body, before), pk=before.pk, enabled=before.enabled if enabled is None else enabled)
        clients = take_clients(after.body) if kind is Kind.INBOUND else None
        after.clients = with_disabled(before.clients, clients) if clients else before.clients
        after.comments = _attached(before.comments, after.body)
        changes = list(diff_lists(kind, [before], [after], [0]))
        if not changes:
            leave_version(instance)
            return current
        _check_tag(instance, kind, after.body, but=before.pk)
        if kind is Kind.INBOUND and after.enabled:
            check_ports(instance, after)
        changes += _rename(instance, kind, before, after, on_rename, by)
        _write(current, kind, after)
        if isinstance(current, Inbound) and clients:
            replace_clients(current, before.clients, after.clients)
        record(by, Verb.CHANGED, current, instance=instance, changes=changes)
        return current


def delete_entries(
    rows: Iterable[EntryModel], *, by: Actor, expected_version: int | None = None, anyway: bool = False
) -> int:
    """How many were deleted. Raises WouldBreak: others name them, and it was not to be done `anyway`; VersionConflict."""
    deleted = 0
    for instance_id, group in _by_instance(rows).items():
        with writing(instance_id, expected_version) as instance:
            broken = _broken(instance, group)
            if broken and not anyway:
                raise WouldBreak(_would_break(broken), broken)
            for row in group:
                entry = Entry(row.entry)
                changes = list(diff_lists(kind_of(row), [entry], [], []))
                record(by, Verb.DELETED, row, instance=instance, changes=changes)
            for kind in Kind:
                delete_rows(MODELS[kind], [row.pk for row in group if kind_of(row) is kind])
            deleted += len(group)
    return deleted


def what_would_break(rows: Iterable[EntryModel]) -> list[Reference]:
    """The entries that name these, and stay."""
    groups = _by_instance(rows)
    instances = Instance.objects.in_bulk(groups)
    return [reference for pk, group in groups.items() for reference in _broken(instances[pk], group)]


def clone_entry(row: EntryModel, *, by: Actor) -> Any:
    """The same once more, right behind it, with a tag of its own. An inbound's is disabled and has no clients."""
    kind = kind_of(row)
    with writing(row.instance_id) as instance:
        current = _current(row)
        body = current.entry
        name = "ruleTag" if kind is Kind.RULE else "tag"
        tag = get(body, name)
        if isinstance(tag, str) and tag:
            key = next(key for key in body if key.lower() == name.lower() and body[key] == tag)
            body[key] = _free_tag(instance, kind, tag)
        pks = _pks(instance, kind)
        enabled = current.enabled and kind is not Kind.INBOUND
        return _create(instance, kind, body, by=by, enabled=enabled, position=pks.index(current.pk) + 1)


def change_rest(instance: Instance, rest: Body, *, by: Actor, expected_version: int | None = None) -> Instance:
    """Replace what of the document has no rows. Lists with rows are empty in it; where they are not, nothing is done.

    Raises: ServiceError; VersionConflict.
    """
    with writing(instance.pk, expected_version) as locked:
        before = locked.rest_document
        after = restore(rest, before)
        refuse_masks(after)
        changes = list(diff_values(before, after))
        if not changes:
            leave_version(locked)
            return locked
        locked.rest = write_json(after)
        locked.save(update_fields=["rest"])
        record(by, Verb.CHANGED, locked, instance=locked, changes=changes)
    return locked


def stored_entry(row: EntryModel) -> Entry:
    """A row as an entry, an inbound with its clients."""
    clients = load_clients(row) if isinstance(row, Inbound) else []
    comments = read_stored_comments(row.comments)
    return Entry(row.entry, comments, clients, enabled=row.enabled, pk=row.pk, position=row.position)


def place_rows(instance: Instance, kind: Kind, pks: Sequence[int]) -> None:
    """Number the rows of a list in this order; `pks` are all of them."""
    model: Any = MODELS[kind]
    before = dict(model.objects.filter(instance=instance).values_list("pk", "position"))
    update_rows(model, [(pk, {"position": number}) for number, pk in enumerate(pks) if before[pk] != number])


def _create(instance: Instance, kind: Kind, body: Body, *, by: Actor, enabled: bool, position: int | None) -> Any:
    entry = Entry(copy.deepcopy(body), enabled=enabled)
    refuse_masks(entry.body)
    _check_tag(instance, kind, entry.body)
    if kind is Kind.INBOUND:
        entry.clients = [Entry(client) for client in take_clients(entry.body) or ()]
        if enabled:
            check_ports(instance, entry)
    pks = _pks(instance, kind)
    number = len(pks) if position is None else max(0, min(position, len(pks)))
    model: Any = MODELS[kind]
    last = model.objects.filter(instance=instance).order_by("-position").values_list("position", flat=True).first()
    at = 0 if last is None else last + 1
    row = model.objects.create(instance=instance, position=at, enabled=enabled, **entry_columns(kind, entry))
    if number < len(pks):
        place_rows(instance, kind, [*pks[:number], row.pk, *pks[number:]])
        row.refresh_from_db()
    if entry.clients:
        replace_clients(row, [], entry.clients)
    record(by, Verb.CREATED, row, instance=instance, changes=list(diff_lists(kind, [], [entry], [None])))
    return row


def _current(row: EntryModel) -> Any:
    model: Any = type(row)
    try:
        return model.objects.get(pk=row.pk)
    except model.DoesNotExist:
        raise ServiceError(f"this {kind_of(row)} is not there any more") from None


def _write(row: Any, kind: Kind, entry: Entry) -> None:
    for name, value in entry_columns(kind, entry).items():
        setattr(row, name, value)
    row.enabled = entry.enabled
    row.save()


def _pks(instance: Instance, kind: Kind) -> list[int]:
    model: Any = MODELS[kind]
    return list(model.objects.filter(instance=instance).order_by("position", "id").values_list("pk", flat=True))


def _without_masks(kind: Kind, body: Body, before: Entry) -> Body:
    after: Body = restore(body, before.body)
    place = client_place(after) if kind is Kind.INBOUND else None
    if place is not None:
        settings, key = after[str(place[0])], str(place[1])
        if isinstance(settings[key], list):
            by_email = {email: one.body for one in before.clients if (email := _email(one.body))}
            settings[key] = [restore(one, by_email.get(_email(one))) for one in settings[key]]
    after = copy.deepcopy(after)
    refuse_masks(after)
    return after


def _email(client: object) -> str:
    email = get(client, "email", "user")
    return email if isinstance(email, str) else ""


def _check_tag(instance: Instance, kind: Kind, body: Body, but: int | None = None) -> None:
    tag = get(body, "tag")
    if kind is Kind.RULE or not isinstance(tag, str) or not tag:
        return
    for other in _SHARING_TAGS if kind in _SHARING_TAGS else (kind,):
        model: Any = MODELS[other]
        rows = model.objects.filter(instance=instance, tag=tag)
        if other is kind and but is not None:
            rows = rows.exclude(pk=but)
        if rows.exists():
            raise TagTaken(f'the tag "{tag[:64]}" is taken by another {other} of this instance', "tag")


def _rename(
    instance: Instance, kind: Kind, before: Entry, after: Entry, on_rename: OnRename, by: Actor
) -> list[Change]:
    """Deal with those that name the old tag; what changed in them."""
    old, new = get(before.body, "tag"), get(after.body, "tag")
    if kind not in SPACE_OF or not isinstance(old, str) or not old or old == new or on_rename == "leave":
        return []
    space = SPACE_OF[kind]
    content = _naming(instance)
    references = [one for one in references_to(content, space, old) if one.pk != before.pk or one.kind is not kind]
    can_follow = on_rename == "follow" and isinstance(new, str) and new
    if references and not can_follow:
        raise WouldBreak(_would_break(references), references)
    changes: list[Change] = []
    for naming in _NAMING_KINDS if references else ():
        updates: list[tuple[int, dict[str, Any]]] = []
        for number, entry in enumerate(content.entries[naming]):
            if entry.pk == before.pk and naming is kind:
                continue
            body = with_tag_replaced(naming, entry.body, space, old, str(new))
            if body is entry.body:
                continue
            changes += diff_values(entry.body, body, str(naming), entry_name(naming, entry.body, number))
            updates.append((entry.pk or 0, entry_columns(naming, Entry(body, entry.comments))))
        update_rows(MODELS[naming], updates)
    return changes


def _naming(instance: Instance) -> Content:
    """What of an instance may name tags; not its inbounds, which are many and name none."""
    content = Content(instance.rest_document)
    for kind in _NAMING_KINDS:
        content.entries[kind] = load_entries(kind, instance.pk)
    return content


def _by_instance(rows: Iterable[EntryModel]) -> dict[int, list[EntryModel]]:
    groups: dict[int, list[EntryModel]] = {}
    for row in rows:
        groups.setdefault(row.instance_id, []).append(row)
    return groups


def _broken(instance: Instance, rows: Sequence[EntryModel]) -> list[Reference]:
    going = {(kind_of(row), row.pk) for row in rows}
    named = [(SPACE_OF[kind_of(row)], get(row.entry, "tag")) for row in rows if kind_of(row) in SPACE_OF]
    tags = {(space, tag) for space, tag in named if isinstance(tag, str) and tag}
    if not tags:
        return []
    content = _naming(instance)
    return [
        one
        for space, tag in sorted(tags)
        for one in references_to(content, space, tag)
        if one.kind is None or (one.kind, one.pk) not in going
    ]


def _would_break(references: Sequence[Reference]) -> str:
    first = "; ".join(one.text for one in references[:3])
    more = f" and {len(references) - 3} more" if len(references) > 3 else ""
    return f"others need it: {first}{more}"


def _free_tag(instance: Instance, kind: Kind, tag: str) -> str:
    if kind is Kind.RULE:
        return f"{tag}{_COPY}"
    taken: set[str] = set()
    for other in _SHARING_TAGS if kind in _SHARING_TAGS else (kind,):
        model: Any = MODELS[other]
        taken |= set(model.objects.filter(instance=instance).values_list("tag", flat=True))
    name, number = f"{tag}{_COPY}", 2
    while name in taken:
        name, number = f"{tag}{_COPY}-{number}", number + 1
    return name


def _attached(comments: Iterable[Comment], body: Body) -> list[Comment]:
    """Comments on what is gone stand with what it stood in."""
    return [comment._replace(loc=_existing(body, comment.loc)) for comment in comments]


def _existing(value: Any, loc: Loc) -> Loc:
    for depth, step in enumerate(loc):
        is_item = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if not is_item and not (isinstance(value, dict) and step in value):
            return loc[:depth]
        value = value[step]
    return loc
