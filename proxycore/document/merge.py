"""Several files as one document, merged as Xray does; each part remembers the file it came from.

A later file's section replaces the earlier one whole, but for `env`, which is merged key by key. An inbound or
outbound with a tag that is there already takes that one's place (an empty tag counts as a tag); else inbounds are
appended, and outbounds put in front of all earlier ones, or behind them if the file's name contains "tail".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from proxycore.document.jsonc import Loc, Parsed

_LISTS = ("inbounds", "outbounds")
_BY_KEY = "env"


@dataclass(frozen=True, slots=True)
class Part:
    """One file: its name for messages, what it says, and its sections with their keys spelled as the model does."""

    file: str
    parsed: Parsed
    sections: dict[str, object]

    def locate(self, loc: Loc, *, of_key: bool) -> tuple[str, int, int, Loc]:
        return (self.file, *self.parsed.line_column(loc, of_key=of_key), loc)

    def has(self, loc: Loc) -> bool:
        return self.parsed.has(loc)


@dataclass(frozen=True, slots=True)
class _Entry:
    part: Part
    position: int           # in its own file
    value: object

    @property
    def tag(self) -> object:
        """The entry's tag; an entry that is no object, or has something odd as a tag, has one of its own."""
        if not isinstance(self.value, dict):
            return self
        tag = next((value for key, value in self.value.items() if key.lower() == "tag"), None)
        return tag or "" if tag is None or isinstance(tag, str) else self

    def __hash__(self) -> int:
        return hash((id(self.part), self.position))

    def __eq__(self, other: object) -> bool:
        return self is other


class Merged:
    """The parts as one: `sections`, and where each place in them was written."""

    __slots__ = ("_by_key", "_entries", "_first", "_section_parts", "sections")

    def __init__(self, parts: Sequence[Part]) -> None:
        """`parts` in the order in which the files were named; at least one."""
        self._first = parts[0]
        self._section_parts: dict[str, Part] = {}
        self._entries: dict[str, list[_Entry]] = {}
        self._by_key: dict[str, Part] = {}      # the part that has the variable
        self.sections: dict[str, object] = {}
        for part in parts:
            for name, value in part.sections.items():
                earlier = self.sections.get(name)
                if name == _BY_KEY and isinstance(value, dict):
                    self._by_key.update(dict.fromkeys(value, part))
                    self.sections[name] = {**earlier, **value} if isinstance(earlier, dict) else value
                    self._section_parts[name] = part
                    continue
                self.sections[name] = value
                self._section_parts[name] = part
                if name in _LISTS and isinstance(value, list):
                    added = [_Entry(part, position, entry) for position, entry in enumerate(value)]
                    self._entries[name] = _merged(name, self._entries.get(name), added, part.file)
                else:
                    self._entries.pop(name, None)
        for name, entries in self._entries.items():
            self.sections[name] = [entry.value for entry in entries]

    def locate(self, loc: Loc, *, of_key: bool) -> tuple[str, int, int, Loc]:
        part, local = self._resolve(loc)
        return part.locate(local, of_key=of_key)

    def has(self, loc: Loc) -> bool:
        part, local = self._resolve(loc)
        return part.has(local)

    def _resolve(self, loc: Loc) -> tuple[Part, Loc]:
        """The file that `loc` was written in, and the same place within that file."""
        section = loc[0] if loc else ""
        if not isinstance(section, str):
            return self._first, loc
        if section == _BY_KEY and len(loc) > 1:
            return self._by_key.get(str(loc[1]), self._section_parts.get(section, self._first)), loc
        entries = self._entries.get(section, [])
        if len(loc) > 1 and isinstance(loc[1], int) and 0 <= loc[1] < len(entries):
            entry = entries[loc[1]]
            return entry.part, (section, entry.position, *loc[2:])
        return self._section_parts.get(section, self._first), loc


def _merged(name: str, earlier: list[_Entry] | None, added: list[_Entry], file: str) -> list[_Entry]:
    if earlier is None:
        return added
    merged = list(earlier)
    places: dict[object, int] = {}
    for place, entry in enumerate(merged):
        places.setdefault(entry.tag, place)
    new: list[_Entry] = []
    for entry in added:
        if entry.tag in places:
            merged[places[entry.tag]] = entry
        else:
            new.append(entry)
    if name == "inbounds" or "tail" in PurePath(file).name.lower():
        return merged + new
    return new + merged
