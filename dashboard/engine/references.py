"""Which entries of a document name a tag, and would break without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from dashboard.engine.content import Body, Content, Entry, Kind, get
from dashboard.engine.diff import entry_name
from proxycore.api import Loc, render_path

Space = Literal["inbound", "outbound", "balancer"]
"""Inbound tags are also those of bridges; outbound tags also those of portals."""

SPACE_OF: Final[dict[Kind, Space]] = {
    Kind.INBOUND: "inbound",
    Kind.BRIDGE: "inbound",
    Kind.OUTBOUND: "outbound",
    Kind.PORTAL: "outbound",
    Kind.BALANCER: "balancer",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """An entry that names a tag. `path` is inside it (in the rest of the document if `kind` is None)."""

    kind: Kind | None
    pk: int | None
    name: str
    path: str
    text: str


def references_to(content: Content, space: Space, tag: str) -> list[Reference]:
    """All that name `tag`, in the order of the document."""
    return [reference for named, reference in all_references(content) if named == (space, tag)]


def all_references(content: Content) -> Iterator[tuple[tuple[Space, str], Reference]]:
    """Every tag that is named, with its space, and by whom."""
    for number, outbound in enumerate(content.entries[Kind.OUTBOUND]):
        for space, tag, path, verb in _of_outbound(outbound.body):
            yield (space, tag), _reference(Kind.OUTBOUND, outbound, number, path, f"{verb} {tag}")
    for number, rule in enumerate(content.entries[Kind.RULE]):
        for space, tag, path, verb in _of_rule(rule.body):
            yield (space, tag), _reference(Kind.RULE, rule, number, path, f"{verb} {tag}")
    outbound_tags = [tag for entry in content.entries[Kind.OUTBOUND] if isinstance(tag := get(entry.body, "tag"), str) and tag]
    for number, balancer in enumerate(content.entries[Kind.BALANCER]):
        fallback = get(balancer.body, "fallbackTag")
        if isinstance(fallback, str) and fallback:
            text = f"falls back to {fallback}"
            yield ("outbound", fallback), _reference(Kind.BALANCER, balancer, number, ("fallbackTag",), text)
        for selector in words(get(balancer.body, "selector")):
            fitting = [tag for tag in outbound_tags if selector and tag.startswith(selector)]
            if len(fitting) == 1:       # the last one that this selector finds
                text = f"selects {fitting[0]} alone"
                yield ("outbound", fitting[0]), _reference(Kind.BALANCER, balancer, number, ("selector",), text)
    yield from _of_rest(content.rest)


def words(value: object) -> list[str]:
    """A list of texts, or one text with commas."""
    if isinstance(value, str):
        return value.split(",")
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _of_rule(body: Body) -> Iterator[tuple[Space, str, Loc, str]]:
    for tag in words(get(body, "inboundTag")):
        yield "inbound", tag, ("inboundTag",), "is for inbound"
    outbound = get(body, "outboundTag")
    if isinstance(outbound, str) and outbound:
        yield "outbound", outbound, ("outboundTag",), "goes to"
    balancer = get(body, "balancerTag")
    if isinstance(balancer, str) and balancer:
        yield "balancer", balancer, ("balancerTag",), "goes to balancer"


def _of_outbound(body: Body) -> Iterator[tuple[Space, str, Loc, str]]:
    proxy = get(get(body, "proxySettings"), "tag")
    if isinstance(proxy, str) and proxy:
        yield "outbound", proxy, ("proxySettings", "tag"), "dials through"
    dialer = get(get(get(body, "streamSettings"), "sockopt"), "dialerProxy")
    if isinstance(dialer, str) and dialer:
        yield "outbound", dialer, ("streamSettings", "sockopt", "dialerProxy"), "dials through"


def _of_rest(rest: Body) -> Iterator[tuple[tuple[Space, str], Reference]]:
    """`api` and `metrics` are outbounds of their own; an inbound tag of theirs may be named by rules, not the other way."""
    for section in ("observatory", "burstObservatory"):
        for selector in words(get(get(rest, section), "subjectSelector")):
            text = f"{section} watches {selector}"
            yield ("outbound", selector), Reference(None, None, section, f"{section}.subjectSelector", text)


def _reference(kind: Kind, entry: Entry, number: int, path: Loc, text: str) -> Reference:
    name = entry_name(kind, entry.body, number)
    return Reference(kind, entry.pk, name, render_path(path), f"{kind} {name} {text}")


def with_tag_replaced(kind: Kind, body: Body, space: Space, old: str, new: str) -> Body:
    """A copy of an entry that names `new` wherever it named `old`; the same object if it did not."""
    named = _of_rule(body) if kind is Kind.RULE else _of_outbound(body) if kind is Kind.OUTBOUND else _of_balancer(body)
    changed: Any = body
    for found_space, tag, path, _ in named:
        if (found_space, tag) == (space, old):
            changed = _replaced(changed, path, old, new)
    result: Body = changed
    return result


def _of_balancer(body: Body) -> Iterator[tuple[Space, str, Loc, str]]:
    fallback = get(body, "fallbackTag")
    if isinstance(fallback, str) and fallback:
        yield "outbound", fallback, ("fallbackTag",), "falls back to"


def _replaced(value: Any, path: Loc, old: str, new: str) -> Any:
    if not path:
        if isinstance(value, list):
            return [new if one == old else one for one in value]
        if isinstance(value, str):
            return ",".join(new if one == old else one for one in value.split(","))
        return value
    step = str(path[0]).lower()
    return {key: _replaced(one, path[1:], old, new) if key.lower() == step else one for key, one in value.items()}
