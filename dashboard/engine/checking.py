"""What the data plane says about one entry, before it stands among the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from dashboard.engine.compile import CannotCompile, compile_document
from dashboard.engine.content import LIST_PATHS, Body, Content, Entry, Kind, get
from dashboard.engine.references import all_references, words
from dashboard.engine.secrets import secret_texts, without_secrets
from proxycore.api import Loc, check_text, parse_path

_NEIGHBOUR: Final = "blackhole"


@dataclass(frozen=True, slots=True)
class CheckedProblem:
    """`path` is inside the entry."""

    path: Loc
    message: str
    severity: Literal["error", "warning"]


def entry_problems(kind: Kind, body: Body, clients: Sequence[Body] = ()) -> list[CheckedProblem]:
    """What is wrong or odd about an entry by itself; whether the tags that it names are there is not asked."""
    content = Content({}, entries={one: [] for one in Kind})
    content.entries[kind] = [Entry(body, clients=[Entry(client) for client in clients])]
    _add_neighbours(content, kind, body)
    try:
        text = json.dumps(compile_document(content), ensure_ascii=False)
    except CannotCompile as error:
        return [CheckedProblem(error.path[len(LIST_PATHS[kind]) + 1 :], str(error), "error")]
    here = (*LIST_PATHS[kind], 0)
    secrets = tuple(secret_texts([body, *clients]))
    found: list[CheckedProblem] = []
    for problem in check_text(text, "entry"):
        path = parse_path(problem.path)
        if path[: len(here)] == here:
            severity: Literal["error", "warning"] = "error" if problem.severity == "error" else "warning"
            found.append(CheckedProblem(path[len(here) :], without_secrets(problem.message, secrets), severity))
    return found


def _add_neighbours(content: Content, kind: Kind, body: Body) -> None:
    """What the entry needs around it, so that only it is looked at."""
    outbounds, tag = content.entries[Kind.OUTBOUND], get(body, "tag")
    taken = {tag} if isinstance(tag, str) else set()
    wanted = [named for (space, named), _ in all_references(content) if space == "outbound"]
    if kind is Kind.BALANCER:
        wanted += words(get(body, "selector"))
        content.rest["observatory"] = {"subjectSelector": ["x"]}
        content.rest["burstObservatory"] = {"subjectSelector": ["x"]}
    if kind is Kind.BRIDGE:
        content.rest["routing"] = {"rules": [_way_of(body), {"inboundTag": [tag], "outboundTag": "neighbour"}]}
        outbounds.append(Entry({"tag": "neighbour", "protocol": "vmess", "settings": {"vnext": [
            {"address": "neighbour.invalid", "port": 1, "users": [{"id": "5783a3e7-e373-51cd-8642-c83782b807c5"}]}]}}))
    for name in wanted:
        if name and name not in taken:
            taken.add(name)
            outbounds.append(Entry({"tag": name, "protocol": _NEIGHBOUR}))
    balancer = get(body, "balancerTag") if kind is Kind.RULE else None
    if isinstance(balancer, str) and balancer:
        content.entries[Kind.BALANCER].append(Entry({"tag": balancer, "selector": ["x"]}))


def _way_of(bridge: Body) -> dict[str, Any]:
    return {"inboundTag": [get(bridge, "tag")], "domain": [f"full:{get(bridge, 'domain')}"], "outboundTag": "neighbour"}
