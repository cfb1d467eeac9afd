"""The linter, and which entry a finding is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dashboard.engine.content import LIST_PATHS, Content, Entry, Kind, client_place
from dashboard.engine.garbage import uncollected
from dashboard.engine.secrets import secret_texts, without_secrets
from proxycore.api import (
    Finding,
    Loc,
    Problem,
    check_text,
    finding_as_json,
    lint,
    lint_files,
    parse_path,
    render_path,
    review,
)

__all__ = [
    "Finding", "PlacedFinding", "PlacedProblem", "Problem", "check_text", "finding_as_json", "lint_files", "lint_text",
    "lint_texts", "place_findings", "place_problems", "review_text",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlacedFinding:
    """A finding and the row that it is about: `kind` None is the rest of the document. `path` is inside that row.

    `client_pk` is the credential, if it is about one of an inbound's.
    """

    finding: Finding
    kind: Kind | None
    pk: int | None
    client_pk: int | None
    path: str


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """Something that the data plane says of a document, and the row that it is about, as in PlacedFinding."""

    problem: Problem
    kind: Kind | None
    pk: int | None
    client_pk: int | None
    path: str

    @property
    def severity(self) -> str:
        return self.problem.severity

    @property
    def message(self) -> str:
        return self.problem.message


@uncollected()
def lint_text(text: str, file: str = "document", core: str = "") -> list[Finding]:
    """What the linter says about one document; `core` is the one that runs it, such as "xray-26.4.17"."""
    return lint([(file, text)], core)


@uncollected()
def review_text(text: str, file: str = "document") -> tuple[list[Problem], list[Finding]]:
    """What the data plane and the linter say about one document, which is read once. What both say is told by the linter."""
    problems, findings = review(text, file)
    told = {(one.path, one.severity) for one in findings}
    return [one for one in problems if (one.path, one.severity) not in told], findings


@uncollected()
def lint_texts(texts: Sequence[tuple[str, str]], core: str = "") -> list[Finding]:
    """Several documents side by side, a portal and its bridges, say, as (name, text)."""
    return lint(texts, core)


def place_findings(content: Content, findings: Sequence[Finding]) -> list[PlacedFinding]:
    """`findings` are about the document that is compiled from `content`. They repeat no secrets of it."""
    lists = {kind: [entry for entry in content.entries[kind] if entry.enabled] for kind in Kind}
    secrets = _secrets(content) if findings else ()
    return [
        PlacedFinding(
            replace(one, message=without_secrets(one.message, secrets), fix=without_secrets(one.fix, secrets)),
            *_place(lists, one.path))
        for one in findings
    ]


def place_problems(content: Content, problems: Sequence[Problem]) -> list[PlacedProblem]:
    """The same for problems."""
    lists = {kind: [entry for entry in content.entries[kind] if entry.enabled] for kind in Kind}
    secrets = _secrets(content) if problems else ()
    return [
        PlacedProblem(replace(one, message=without_secrets(one.message, secrets)), *_place(lists, one.path)) for one in problems
    ]


def _secrets(content: Content) -> tuple[str, ...]:
    entries = [entry for listed in content.entries.values() for entry in listed]
    bodies = [body for entry in entries for body in (entry.body, *(client.body for client in entry.clients))]
    return tuple(secret_texts([content.rest, *bodies]))


def _place(lists: dict[Kind, list[Entry]], path_text: str) -> tuple[Kind | None, int | None, int | None, str]:
    loc = parse_path(path_text)
    for kind, path in LIST_PATHS.items():
        depth = len(path)
        if len(loc) <= depth or tuple(str(step).lower() for step in loc[:depth]) != path:
            continue
        number = loc[depth]
        if not isinstance(number, int) or number >= len(lists[kind]):
            break
        entry = lists[kind][number]
        client_pk, inner = _client(entry, loc[depth + 1 :])
        return kind, entry.pk, client_pk, render_path(inner)
    return None, None, None, path_text


def _client(entry: Entry, inner: Loc) -> tuple[int | None, Loc]:
    """The client that a place inside an inbound is about, and the rest of the place."""
    clients = [client for client in entry.clients if client.enabled]
    if clients and len(inner) > 2 and isinstance(inner[2], int) and inner[2] < len(clients):
        place = client_place(entry.body)
        if place is None or inner[1] == place[1]:
            return clients[inner[2]].pk, inner[3:]
    return None, inner
