"""What changed between two documents, in words: "port of inbound web 443 -> 8443". Secrets are masked.

There is no change exactly where both are equal as JSON, with the order of keys, and have the same comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from dashboard.engine.columns import COLUMNS, inbound_columns
from dashboard.engine.content import Body, Content, Entry, Kind, get
from dashboard.engine.matching import Pairs, match_clients, match_entries, moved
from dashboard.engine.secrets import is_secret, mask
from dashboard.models.jsontext import write_json
from proxycore.api import Loc, render_path

MAX_SHOWN_CHARS: Final = 80
MAX_LISTED_ITEMS: Final = 5
_EMPTY_LISTS: Final = re.compile(r'\[\]|\{"\w+":\[\](,"\w+":\[\])*\}')

ChangeKind = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed. `what` is the kind of entry, empty for the rest of the document; `name` which one.

    `path` is inside the entry. `before` and `after` are shown values, secrets masked; None where there is none.
    """

    kind: ChangeKind
    what: str
    name: str
    path: str
    before: str | None
    after: str | None
    text: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def diff_contents(old: Content, new: Content) -> list[Change]:
    """Everything that makes `new` out of `old`, in the order of sections."""
    changes = list(diff_values(old.rest, new.rest))
    if old.comments != new.comments:
        changes.append(_changed("", "", "comments", None, None, "comments between the entries change"))
    for kind in Kind:
        before, after = old.entries[kind], new.entries[kind]
        changes += diff_lists(kind, before, after, match_entries(kind, before, after))
    return changes


def without_empty_lists(changes: list[Change]) -> list[Change]:
    """Without lists that come and go empty, unless nothing else is to be told: their entries say it all."""
    return [change for change in changes if change.what or not _is_of_empty_list(change)] or changes


def _is_of_empty_list(change: Change) -> bool:
    shown = change.after if change.before is None else change.before if change.after is None else None
    return shown is not None and _EMPTY_LISTS.fullmatch(shown) is not None


def diff_lists(kind: Kind, old: Sequence[Entry], new: Sequence[Entry], pairs: Pairs) -> Iterator[Change]:
    """What happens to the entries of one list, whose pairs are known."""
    kept = {number for number in pairs if number is not None}
    for number, entry in enumerate(old):
        if number not in kept:
            yield _removed(str(kind), entry_name(kind, entry.body, number), describe(kind, entry.body))
    for number, (entry, before) in enumerate(zip(new, pairs, strict=True)):
        if before is None:
            place = f"in place {number + 1}" if number + 1 < len(new) else ""
            yield _added(str(kind), entry_name(kind, entry.body, number), describe(kind, entry.body), place)
        else:
            name = entry_name(kind, old[before].body, before)
            if not _is_same(old[before], entry):
                yield from diff_entries(str(kind), name, old[before], entry)
            if kind is Kind.INBOUND:
                yield from _diff_clients(name, old[before].clients, entry.clients)
    for number in moved(pairs):
        before = pairs[number]
        if before is not None:
            name = entry_name(kind, new[number].body, number)
            text = f"{kind} {name} moves from place {before + 1} to {number + 1}"
            yield Change("moved", str(kind), name, "", str(before + 1), str(number + 1), text)


def _is_same(old: Entry, new: Entry) -> bool:
    """Whether nothing of an entry changed, its clients aside: as of nearly all of a long list."""
    return old.enabled == new.enabled and old.comments == new.comments and write_json(old.body) == write_json(new.body)


def diff_entries(what: str, name: str, old: Entry, new: Entry) -> Iterator[Change]:
    """What changed in one entry, its clients aside."""
    yield from diff_values(old.body, new.body, what, name)
    if old.comments != new.comments:
        yield _changed(what, name, "comments", None, None, f"comments of {what} {name} change")
    if old.enabled != new.enabled:
        words = "is enabled again" if new.enabled else "is disabled"
        yield _changed(what, name, "enabled", str(old.enabled).lower(), str(new.enabled).lower(), f"{what} {name} {words}")


def _diff_clients(inbound: str, old: Sequence[Entry], new: Sequence[Entry]) -> Iterator[Change]:
    if not old and not new:
        return
    pairs = match_clients(old, new)
    kept = {number for number in pairs if number is not None}
    for number, client in enumerate(old):
        if number not in kept:
            yield _removed("client", f"{client_name(client.body, number)} of inbound {inbound}", "")
    for number, (client, before) in enumerate(zip(new, pairs, strict=True)):
        if before is None:
            yield _added("client", f"{client_name(client.body, number)} of inbound {inbound}", "")
        elif not _is_same(old[before], client):
            name = f"{client_name(old[before].body, before)} of inbound {inbound}"
            yield from diff_entries("client", name, old[before], client)
    if moved(pairs):
        yield _changed("inbound", inbound, "clients", None, None, f"clients of inbound {inbound} change their order")


def diff_values(old: Body, new: Body, what: str = "", name: str = "") -> Iterator[Change]:
    """What differs between two objects, value by value."""
    found = False
    for path, before, after, words in _differences(old, new, ()):
        found = True
        shown = _printable(render_path(path)) or "it"
        whose = f" of {what} {name}" if what else ""
        if words is not None:
            yield _changed(what, name, shown, None, None, f"{shown}{whose}: {words}")
        elif before is _ABSENT:
            after_text = show(path, after)
            yield Change("changed", what, name, shown, None, after_text, f"{shown}{whose} is set to {after_text}")
        elif after is _ABSENT:
            before_text = show(path, before)
            yield Change("changed", what, name, shown, before_text, None, f"{shown}{whose} is removed, was {before_text}")
        else:
            before_text, after_text = show(path, before), show(path, after)
            text = f"{shown}{whose} {before_text} -> {after_text}"
            if before_text == after_text:
                text = f"{shown}{whose} changes"
            yield _changed(what, name, shown, before_text, after_text, text)
    if not found and write_json(old) != write_json(new):
        whose = f" of {what} {name}" if what else " of the document"
        yield _changed(what, name, "", None, None, f"keys{whose} stand in another order")


_ABSENT: Final = object()


def _differences(old: Any, new: Any, path: Loc) -> Iterator[tuple[Loc, Any, Any, str | None]]:
    """(place, before, after, words instead of both); values are compared as JSON, so 1, 1.0 and true differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            if key not in new:
                yield (*path, key), old[key], _ABSENT, None
        for key, after in new.items():
            if key not in old:
                yield (*path, key), _ABSENT, after, None
            else:
                yield from _differences(old[key], after, (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(old, new, path)
    elif type(old) is not type(new) or old != new:
        yield path, old, new, None


def _list_differences(old: list[Any], new: list[Any], path: Loc) -> Iterator[tuple[Loc, Any, Any, str | None]]:
    if len(old) == len(new) and any(isinstance(one, dict | list) for one in (*old, *new)):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, (*path, number))
        return
    before_texts, after_texts = [write_json(one) for one in old], [write_json(one) for one in new]
    if before_texts == after_texts:
        return
    if len(old) <= MAX_LISTED_ITEMS and len(new) <= MAX_LISTED_ITEMS:
        yield path, old, new, None
        return
    before_set, after_set = set(before_texts), set(after_texts)
    words = [f"+ {show(path, one)}" for one, text in zip(new, after_texts, strict=True) if text not in before_set]
    words += [f"- {show(path, one)}" for one, text in zip(old, before_texts, strict=True) if text not in after_set]
    more = len(words) - MAX_LISTED_ITEMS
    text = ", ".join(words[:MAX_LISTED_ITEMS]) + (f" and {more} more" if more > 0 else "")
    yield path, old, new, text or "the order changes"


def show(path: Loc, value: Any) -> str:
    """A value of a document for people: JSON, secrets masked, cut to a readable length."""
    keys = [step for step in path if isinstance(step, str)]
    key = keys[-1] if keys else ""
    if keys[:1] == ["env"]:
        value = {key: value} if not isinstance(value, dict) else value
        value = mask(value, "env")
        value = value if len(keys) == 1 else next(iter(value.values()))
    elif is_secret(key, value) or isinstance(value, dict | list):
        value = mask(value, key)
    text = write_json(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def entry_name(kind: Kind, body: Body, number: int) -> str:
    """What people call an entry: its tag, else its number."""
    name = get(body, "ruleTag" if kind is Kind.RULE else "tag")
    return _cut(name) if isinstance(name, str) and name else f"number {number + 1}"


def client_name(body: Body, number: int) -> str:
    name = get(body, "email", "user")
    return _cut(name) if isinstance(name, str) and name else f"number {number + 1}"


def describe(kind: Kind, body: Body) -> str:
    """The little that tells an entry apart: "vmess, port 443"."""
    columns = inbound_columns(body) if kind is Kind.INBOUND else COLUMNS[kind](body)
    if kind is Kind.INBOUND:
        parts = [columns["protocol"], f"port {columns['port']}" if columns["port"] else ""]
    elif kind is Kind.OUTBOUND:
        parts = [columns["protocol"], f"to {columns['address']}" if columns["address"] else ""]
    elif kind is Kind.RULE:
        target = columns["outbound_tag"] or columns["balancer_tag"]
        parts = [f"to {target}" if target else ""]
    elif kind is Kind.BALANCER:
        parts = [columns["strategy"]]
    else:
        parts = [columns["domain"]]
    return ", ".join(_cut(part) for part in parts if part)


def _cut(text: str) -> str:
    text = _printable(text)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _changed(what: str, name: str, path: str, before: str | None, after: str | None, text: str) -> Change:
    return Change("changed", what, name, path, before, after, text)


def _added(what: str, name: str, detail: str, place: str = "") -> Change:
    text = " ".join(part for part in (what, name, "is new", f"({detail})" if detail else "", place) if part)
    return Change("added", what, name, "", None, None, text)


def _removed(what: str, name: str, detail: str) -> Change:
    return Change("removed", what, name, "", None, None, f"{what} {name} is removed" + (f" ({detail})" if detail else ""))
