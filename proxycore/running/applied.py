"""What another document has changed, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SectionChanges:
    """The entries of one section by name: their tag, or their place in the document where they have none."""

    kept: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is different."""
        return bool(self.changed or self.added or self.removed)


@dataclass(frozen=True, slots=True)
class Applied:
    """A document was put in place. `sections`: by name (`inbounds`, `outbounds`, `routing`...).

    `ended_connections`: those of credentials that were removed or changed. `notes`: what takes effect later, a sentence each.
    """

    sections: Mapping[str, SectionChanges]
    ended_connections: int = 0
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is different."""
        return any(self.sections.values())

    def lines(self) -> Iterator[str]:
        """What is different, a line per section and kind of change; nothing, if nothing is."""
        for name, section in self.sections.items():
            for what in ("added", "changed", "removed"):
                entries: tuple[str, ...] = getattr(section, what)
                if entries:
                    yield f"{name} {what}: {', '.join(entries)}"
        if self.ended_connections:
            yield f"connections ended with their credentials: {self.ended_connections}"
        yield from self.notes


@dataclass(slots=True)
class Report:
    """An Applied that is being written."""

    ended_connections: int = 0
    notes: list[str] = field(default_factory=list)
    _sections: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def tell(self, section: str, what: str, name: str) -> None:
        """`what` is kept, changed, added or removed."""
        self._sections.setdefault(section, {}).setdefault(what, []).append(name)

    def tell_whole(self, section: str, *, was: object, now: object) -> None:
        """The same of a section that is compared as a whole; None: it is absent."""
        if was is None and now is None:
            return
        what = "added" if was is None else "removed" if now is None else "kept" if was == now else "changed"
        self.tell(section, what, section)

    def finish(self) -> Applied:
        """What has been written."""
        sections = {
            name: SectionChanges(**{what: tuple(names) for what, names in found.items()})
            for name, found in self._sections.items()
        }
        return Applied(sections, self.ended_connections, tuple(self.notes))
