"""A document that was compiled earlier, made into what the rows should be again: nothing that was off by then is lost.

A published document says nothing of what was switched off, and it has no comments. Rows that were there when it was
published and that it does not have stay, switched off; only what came later is taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from dashboard.engine.content import Content, Entry, Kind
from dashboard.engine.matching import Pairs, match_clients, match_entries

CLIENTS: Final = "client"

Rows = dict[str, Any]
"""Ids of the rows that a document was compiled from, in its order: {kind: [id, ...], "client": [[id, ...] per inbound]}."""

Order = list[tuple[Entry, Entry | None]]
"""What is to be there, in order: (the entry, the old one that it is)."""

Stays = Callable[[str, Entry], Entry | None]
"""(kind of entry or "client", an entry that the document does not have) -> it as it stays, or None: it goes."""


def rows_of(content: Content) -> Rows:
    """The rows of what is enabled: what a compiled document has."""
    rows: Rows = {str(kind): [one.pk for one in content.entries[kind] if one.enabled] for kind in Kind}
    inbounds = [one for one in content.entries[Kind.INBOUND] if one.enabled]
    rows[CLIENTS] = [[client.pk for client in inbound.clients if client.enabled] for inbound in inbounds]
    return rows


def note_rows(content: Content, rows: Rows) -> None:
    """Tell the entries of a parsed document which rows they were compiled from, wherever that is certain."""
    for kind in Kind:
        _note(content.entries[kind], rows.get(str(kind), []))
    inbounds, lists = content.entries[Kind.INBOUND], rows.get(CLIENTS, [])
    if len(inbounds) == len(lists):
        for inbound, pks in zip(inbounds, lists, strict=True):
            _note(inbound.clients, pks)


def _note(entries: Sequence[Entry], pks: Sequence[int]) -> None:
    if len(entries) == len(pks):
        for entry, pk in zip(entries, pks, strict=True):
            entry.pk = pk


def gone_back(old: Content, new: Content, stays: Stays) -> Content:
    """What `old` has to become, so that it compiles to `new`: with what stays, and with the comments of what is still there."""
    result = Content(new.rest, new.comments or old.comments)
    for kind in Kind:
        before = old.entries[kind]
        pairs = match_entries(kind, before, new.entries[kind])
        result.entries[kind] = _merged(str(kind), before, new.entries[kind], pairs, stays)
    was = {inbound.pk: inbound for inbound in old.entries[Kind.INBOUND]}
    for inbound in result.entries[Kind.INBOUND]:
        earlier = was.get(inbound.pk)
        if earlier is not None and earlier.clients is not inbound.clients:      # not one that stays as it is
            pairs = match_clients(earlier.clients, inbound.clients)
            inbound.clients = _merged(CLIENTS, earlier.clients, inbound.clients, pairs, stays)
    return result


def _merged(what: str, old: Sequence[Entry], new: Sequence[Entry], pairs: Pairs, stays: Stays) -> list[Entry]:
    paired = {number for number in pairs if number is not None}
    left = [(number, entry) for number, entry in enumerate(old) if number not in paired]
    staying = {number: one for number, entry in left if (one := stays(what, entry)) is not None}
    as_it_stays = {id(old[number]): one for number, one in staying.items()}
    merged: list[Entry] = []
    for entry, before in final_order(old, new, pairs, set(staying)):
        if before is None:
            merged.append(replace(entry, pk=None))
        elif entry is before:
            merged.append(as_it_stays[id(before)])
        else:
            merged.append(replace(entry, pk=before.pk, comments=entry.comments or before.comments))
    return merged


def final_order(old: Sequence[Entry], new: Sequence[Entry], pairs: Pairs, kept: set[int]) -> Order:
    """The new entries, with the old ones of `kept` that have no successor in place behind what stood before them."""
    successors = {before: number for number, before in enumerate(pairs) if before is not None}
    behind: dict[int, list[Entry]] = {}
    last = -1
    for number, entry in enumerate(old):
        if number in successors:
            last = successors[number]
        elif number in kept:
            behind.setdefault(last, []).append(entry)
    final: Order = [(entry, entry) for entry in behind.get(-1, [])]
    for number, (entry, before) in enumerate(zip(new, pairs, strict=True)):
        final.append((entry, old[before] if before is not None else None))
        final += [(one, one) for one in behind.get(number, [])]
    return final
