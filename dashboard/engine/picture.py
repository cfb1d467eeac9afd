"""The way of connections through a document, as lanes to draw: where they enter, the rule, where they leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from dashboard.engine.content import Body, Content, Entry, Kind, get
from dashboard.engine.diff import describe, entry_name
from dashboard.engine.references import words

MAX_LANES: Final = 60
MAX_CHIPS: Final = 6            # entries of one lane; more are counted
MAX_VALUES: Final = 3           # of one condition; more are counted
MAX_VALUE_CHARS: Final = 60

Sort = Literal["entry", "tunnel", "exit", "balancer", "lost", "any"]

_CONDITIONS: Final = (
    ("domain", ("domain", "domains")), ("to", ("ip",)), ("port", ("port",)), ("network", ("network",)),
    ("from", ("source", "sourceIP")), ("from port", ("sourcePort",)), ("on", ("localIP",)), ("on port", ("localPort",)),
    ("user", ("user",)), ("sniffed", ("protocol",)), ("attributes", ("attrs",)), ("route", ("vlessRoute",)),
    ("process", ("process",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chip:
    """An end of a lane. `kind` and `pk` are of the row that it is; None: it is no row."""

    sort: Sort
    title: str
    note: str = ""
    kind: Kind | None = None
    pk: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One rule. `conditions` say what a connection must be like, the entries aside; none: anything."""

    name: str
    pk: int | None
    entries: list[Chip]
    conditions: list[str]
    target: Chip


@dataclass(frozen=True, slots=True)
class Picture:
    """`hidden` is how many rules are not drawn. `default` is where what no rule takes goes."""

    lanes: list[Lane]
    hidden: int
    default: Chip


def picture(content: Content) -> Picture:
    """Of what is enabled."""
    entries = _named(content, (Kind.INBOUND, Kind.BRIDGE))
    targets = _named(content, (Kind.OUTBOUND, Kind.PORTAL))
    targets = {**_not_run(content), **_reverse_of_clients(content), **targets}
    balancers = _named(content, (Kind.BALANCER,))
    rules = [(number, rule) for number, rule in enumerate(content.entries[Kind.RULE]) if rule.enabled]
    lanes = [_lane(rule, number, entries, targets, balancers) for number, rule in rules[:MAX_LANES]]
    return Picture(lanes, max(0, len(rules) - MAX_LANES), _default(content))


def conditions(body: Body) -> list[str]:
    """What a rule asks for beside the entry, in words."""
    told = []
    for word, keys in _CONDITIONS:
        value = get(body, *keys)
        if value is not None and value != [] and value != "":
            told.append(f"{word} {_few(value)}")
    return told


def _few(value: Any) -> str:
    if isinstance(value, dict):
        listed = [f"{key}={one}" for key, one in value.items()]
    elif isinstance(value, list):
        listed = [str(one) for one in value]
    else:
        listed = str(value).split(",")
    shown = ", ".join(_cut(one.strip()) for one in listed[:MAX_VALUES])
    return shown if len(listed) <= MAX_VALUES else f"{shown} and {len(listed) - MAX_VALUES} more"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}..."


def _lane(rule: Entry, number: int, entries: dict[str, Chip], targets: dict[str, Chip], balancers: dict[str, Chip]) -> Lane:
    tags = [tag.strip() for tag in words(get(rule.body, "inboundTag"))]
    return Lane(
        _rule_name(rule.body, number), rule.pk, list(_chips(tags, entries)), conditions(rule.body),
        _target(rule.body, targets, balancers),
    )


def _rule_name(body: Body, number: int) -> str:
    name = get(body, "ruleTag")
    return _cut(name) if isinstance(name, str) and name else f"rule {number + 1}"


def _chips(tags: list[str], entries: dict[str, Chip]) -> Iterable[Chip]:
    if not tags:
        yield Chip("any", "any entry")
    for tag in tags[:MAX_CHIPS]:
        yield entries.get(tag) or Chip("lost", tag, "no such inbound or bridge")
    if len(tags) > MAX_CHIPS:
        yield Chip("any", f"and {len(tags) - MAX_CHIPS} more")


def _target(body: Body, targets: dict[str, Chip], balancers: dict[str, Chip]) -> Chip:
    outbound, balancer = get(body, "outboundTag"), get(body, "balancerTag")
    if isinstance(outbound, str) and outbound:
        return targets.get(outbound) or Chip("lost", outbound, "no such outbound or portal")
    if isinstance(balancer, str) and balancer:
        return balancers.get(balancer) or Chip("lost", balancer, "no such balancer")
    return Chip("lost", "nowhere", "the rule names no target")


def _default(content: Content) -> Chip:
    for number, outbound in enumerate(content.entries[Kind.OUTBOUND]):
        if outbound.enabled:
            return _chip(Kind.OUTBOUND, outbound, number)
    return Chip("any", "ends", "there is no outbound")


def _named(content: Content, kinds: tuple[Kind, ...]) -> dict[str, Chip]:
    named: dict[str, Chip] = {}
    for kind in kinds:
        for number, entry in enumerate(content.entries[kind]):
            tag = get(entry.body, "tag")
            if entry.enabled and isinstance(tag, str) and tag:
                named.setdefault(tag, _chip(kind, entry, number))
    return named


def _not_run(content: Content) -> dict[str, Chip]:
    """Tags of sections that this version does not run: rules may lead there, and what comes is closed."""
    tags = (get(get(content.rest, section), "tag") for section in ("api", "metrics"))
    return {tag: Chip("any", _cut(tag), "not run here: it is closed") for tag in tags if isinstance(tag, str) and tag}


def _reverse_of_clients(content: Content) -> dict[str, Chip]:
    """Tunnels of VLESS: outbounds that a client of an inbound brings along."""
    found = {}
    for inbound in content.entries[Kind.INBOUND]:
        for client in inbound.clients:
            tag = get(get(client.body, "reverse"), "tag")
            if inbound.enabled and client.enabled and isinstance(tag, str) and tag:
                found[tag] = Chip("tunnel", _cut(tag), "tunnel of a VLESS client", Kind.INBOUND, inbound.pk)
    return found


def _chip(kind: Kind, entry: Entry, number: int) -> Chip:
    sort: Sort = "exit" if kind is Kind.OUTBOUND else "entry" if kind is Kind.INBOUND else "tunnel"
    if kind is Kind.BALANCER:
        sort = "balancer"
    note = describe(kind, entry.body)
    title = kind if kind in (Kind.PORTAL, Kind.BRIDGE, Kind.BALANCER) else ""
    note = ", ".join(part for part in (str(title), note) if part)
    return Chip(sort, _cut(entry_name(kind, entry.body, number)), note, kind, entry.pk)
