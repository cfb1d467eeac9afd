"""Document text -> entries. Nothing is lost: `compile` makes an equal document of them, keys in the same order.

What cannot be taken apart stays in the rest as it is: a list that is none, or that holds anything but objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from dashboard.engine.content import LIST_PATHS, Body, Content, Entry, Kind, client_place, get, list_place
from proxycore.api import Comment, JsonError, Loc, Parsed, Problem, comments_of, parse, render_path

_TAGS_OF_OUTBOUNDS: Final = (Kind.OUTBOUND, Kind.PORTAL, Kind.BALANCER)
_TAG_SPACES: Final = ((Kind.INBOUND,), _TAGS_OF_OUTBOUNDS, (Kind.BRIDGE,))
"""Kinds that share their tags: no two entries of them have the same one."""


class UnreadableDocument(ValueError):
    """The text is no document that can be kept. `problems` say where and why, in the order of the text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(problem.render() for problem in problems))


def parse_document(text: str, file: str = "document") -> tuple[Content, list[Problem]]:
    """The parts of a document, and what stays in the rest although it looks like entries. `file` is for messages.

    Raises: UnreadableDocument: no JSON, a key twice, not an object, two entries with one tag.
    """
    parsed = read_text(text, file)
    return _Splitting(file, parsed, comments_of(text, parsed)).run()


def split_document(text: str) -> Content:
    """The parts of a document that `compile` made: it is known to be one, so no places in its text are kept (a third of the
    time). Raises UnreadableDocument."""
    return _Splitting("document", _Placeless(json.loads(text)), []).run()[0]


class _Placeless(NamedTuple):
    """Stands for Parsed where nobody asks for lines."""

    value: Any

    def line_column(self, loc: Loc) -> tuple[int, int]:
        return 0, 0


def parse_entry(text: str, file: str = "entry") -> Body:
    """One entry. Raises UnreadableDocument: no JSON, a key twice, not an object."""
    value: Body = read_text(text, file).value  # type: ignore[assignment]
    return value


def read_text(text: str, file: str) -> Parsed:
    """A text whose value is an object. Raises UnreadableDocument."""
    try:
        parsed = parse(text)
    except JsonError as error:
        fault = error.fault
        raise UnreadableDocument([Problem("error", file, fault.line, fault.column, "", fault.message)]) from None
    problems = [Problem("error", file, fault.line, fault.column, "", fault.message) for fault in parsed.duplicates]
    if not isinstance(parsed.value, dict):
        problems.append(Problem("error", file, *parsed.line_column(()), "", "an object is expected: { ... }"))
    if problems:
        raise UnreadableDocument(problems)
    return parsed


def take_clients(body: Body) -> list[Body] | None:
    """Cut the clients out of an inbound (changing it): its list is empty then. None where there is nothing to cut."""
    place = client_place(body)
    if place is None:
        return None
    settings, key = body[str(place[0])], str(place[1])
    clients = settings[key]
    if not _is_list_of_objects(clients):
        return None
    settings[key] = []
    taken: list[Body] = clients
    return taken


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


class _Splitting:
    __slots__ = ("_comments", "_file", "_kept", "_parsed")

    def __init__(self, file: str, parsed: Parsed | _Placeless, comments: list[Comment]) -> None:
        self._file = file
        self._parsed = parsed
        self._comments = comments
        self._kept: list[Problem] = []

    def run(self) -> tuple[Content, list[Problem]]:
        content = Content(self._parsed.value)  # type: ignore[arg-type]
        for kind, path in LIST_PATHS.items():
            content.entries[kind] = self._take(content.rest, path)
        self._hand_out_comments(content)
        problems = [*self._twice(content)]
        if problems:
            raise UnreadableDocument(sorted(problems, key=lambda one: (one.line, one.column)))
        return content, self._kept

    def _take(self, rest: Body, path: tuple[str, ...]) -> list[Entry]:
        place = list_place(rest, path)
        if place is None:
            return []
        holder: Any = rest
        for step in place[:-1]:
            holder = holder[step]
        values = holder[place[-1]]
        if not _is_list_of_objects(values):
            if values is not None:
                self._keep(place, "is not a list of objects: it is kept as it is, and not shown as entries")
            return []
        holder[place[-1]] = []
        return [self._entry(body, (*place, number), is_inbound=path == ("inbounds",)) for number, body in enumerate(values)]

    def _entry(self, body: Body, place: Loc, *, is_inbound: bool) -> Entry:
        entry = Entry(body, place=place)
        clients_at = client_place(body) if is_inbound else None
        if clients_at is not None:
            clients = take_clients(body)
            if clients is None:
                self._keep((*place, *clients_at), "is not a list of objects: it is kept as it is, and not shown as clients")
            else:
                here = (*place, *clients_at)
                entry.clients = [Entry(client, place=(*here, number)) for number, client in enumerate(clients)]
        return entry

    def _keep(self, place: Loc, message: str) -> None:
        self._kept.append(self._problem("warning", place, message))

    def _problem(self, severity: Any, place: Loc, message: str, hint: str = "") -> Problem:
        return Problem(severity, self._file, *self._parsed.line_column(place), render_path(place), message, hint)

    def _hand_out_comments(self, content: Content) -> None:
        if not self._comments:
            return
        owners = {entry.place: entry for entry in _all_entries(content)}
        depths = sorted({len(place) for place in owners}, reverse=True)
        for comment in self._comments:
            for depth in depths:
                owner = owners.get(comment.loc[:depth]) if len(comment.loc) >= depth else None
                if owner is not None:
                    owner.comments.append(comment._replace(loc=comment.loc[depth:]))
                    break
            else:
                content.comments.append(comment)

    def _twice(self, content: Content) -> Iterator[Problem]:
        """Tags that two entries have."""
        for kinds in _TAG_SPACES:
            seen: dict[str, Loc] = {}
            for kind in kinds:
                for entry in content.entries[kind]:
                    tag = get(entry.body, "tag")
                    if not isinstance(tag, str) or not tag:
                        continue
                    if tag in seen:
                        place = (*entry.place, "tag")
                        first = seen[tag]
                        line = self._parsed.line_column(first)[0]
                        yield self._problem(
                            "error", place, f'the tag "{tag[:64]}" is here twice; {render_path(first)} on line {line} has it too',
                            "give one of them another tag",
                        )
                    else:
                        seen[tag] = entry.place


def _all_entries(content: Content) -> Iterator[Entry]:
    for entries in content.entries.values():
        for entry in entries:
            yield entry
            yield from entry.clients
