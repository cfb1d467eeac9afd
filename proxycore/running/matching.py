"""Which entry of a new document is which entry of the old one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from proxycore.running.applied import Report

Key: TypeAlias = tuple[Hashable, int]
"""What an entry is known by (its tag, mostly), and how many before it are known by the same."""


class Entry(Protocol):
    """An entry of a document's list: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def path(self) -> str: ...

    @property
    def tag(self) -> str: ...


EntryT = TypeVar("EntryT", bound=Entry)
RunningT = TypeVar("RunningT")


def keyed(entries: Iterable[EntryT], known_by: Callable[[EntryT], Hashable] | None = None) -> dict[Key, EntryT]:
    """`entries` by their keys, in order. Without `known_by` it is the tag."""
    found: dict[Key, EntryT] = {}
    counts: dict[Hashable, int] = {}
    for entry in entries:
        name = entry.tag if known_by is None else known_by(entry)
        number = counts[name] = counts.get(name, -1) + 1
        found[name, number] = entry
    return found


def is_same(old: EntryT, new: EntryT) -> bool:
    """Whether both say the same, wherever in their documents they stand."""
    return type(old) is type(new) and bool(replace(old, path=new.path) == new)


def name_of(entry: Entry) -> str:
    """What a person calls it."""
    return entry.tag or entry.path


def match(
    section: str,
    entries: Mapping[Key, EntryT],
    running: Mapping[Key, RunningT],
    entry_of: Callable[[RunningT], EntryT],
    build: Callable[[EntryT, RunningT | None], RunningT],
    report: Report,
) -> tuple[dict[Key, RunningT], list[RunningT]]:
    """What is to run for `entries`: what runs already where the entry is the same, else what `build` makes of it (it is
    given what the entry takes the place of). Also what is left over of `running`, replaced or removed.
    """
    found: dict[Key, RunningT] = {}
    left: list[RunningT] = []
    for key, entry in entries.items():
        old = running.get(key)
        if old is not None and is_same(entry_of(old), entry):
            found[key] = old
            report.tell(section, "kept", name_of(entry))
            continue
        found[key] = build(entry, old)
        report.tell(section, "added" if old is None else "changed", name_of(entry))
        if old is not None:
            left.append(old)
    for key, old in running.items():
        if key not in entries:
            left.append(old)
            report.tell(section, "removed", name_of(entry_of(old)))
    return found, left
