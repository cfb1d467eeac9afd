"""The ends of tunnels in one document: what leads into a portal, by what its bridges come, and where a bridge leads to.

Pure. Secrets leave it as keyed hashes only, by which the two ends of a tunnel are found to belong together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dashboard.engine.columns import hashed_form, inbound_columns, outbound_columns, secret_of
from dashboard.engine.content import Body, Content, Entry, Kind, get
from dashboard.engine.picture import conditions
from dashboard.engine.references import words

Side = Literal["portal", "bridge"]

CARRYING: Final = frozenset({"vmess", "vless", "trojan", "shadowsocks"})
"""Protocols by which bridges come. An inbound of another one is an entry for clients."""

HASH_CHARS: Final = 24          # of a keyed hash: only told apart, never proven
MAX_ENTRIES: Final = 40         # of one end
MAX_TARGETS: Final = 6
MAX_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class Door:
    """An inbound that leads to a portal. `key` is its place in the live state; `target` what it is for ("": the client says)."""

    key: str
    pk: int | None
    protocol: str
    listen: str             # ":443", "127.0.0.1:8080", "/run/x.sock"
    rule: str               # what the rule asks for beside the inbound, in words; "": nothing
    target: str


@dataclass(slots=True)
class End:
    """A portal or a bridge. `key` is its place in the live state. `kind` and `pk` are of the row that it is written in.

    Of a portal: `doors` are its entries, `carriers` the inbounds by which bridges come. Of a bridge: `via` is the outbound
    by which it goes out, `address` where to, `targets` where it leads ("" stands for whatever was asked for).
    """

    side: Side
    key: str
    tag: str
    domain: str             # small letters; "" for the reverse tunnel of VLESS
    kind: Kind
    pk: int | None
    doors: list[Door] = field(default_factory=list)
    carriers: list[Door] = field(default_factory=list)
    via: str = ""
    address: str = ""
    targets: list[str] = field(default_factory=list)
    hashes: frozenset[str] = frozenset()        # of the ids that open it


def tunnel_ends(content: Content, keyed_hash: Callable[[str], str]) -> list[End]:
    """Portals first. Of what is enabled."""
    reading = _Reading(content, keyed_hash)
    return [*reading.portals(), *reading.bridges()]


class _Reading:
    def __init__(self, content: Content, keyed_hash: Callable[[str], str]) -> None:
        self._keyed_hash = keyed_hash
        self._lists = {kind: [entry for entry in content.entries[kind] if entry.enabled] for kind in Kind}
        self._inbounds = {_tag(entry): (number, entry) for number, entry in enumerate(self._lists[Kind.INBOUND]) if _tag(entry)}
        self._outbounds = {_tag(entry): entry for entry in self._lists[Kind.OUTBOUND] if _tag(entry)}
        self._rules = [(entry.body, self._targets_of(entry.body)) for entry in self._lists[Kind.RULE]]

    def portals(self) -> Iterator[End]:
        for number, entry in enumerate(self._lists[Kind.PORTAL]):
            tag = _tag(entry)
            end = End("portal", tag or f"#{number}", tag, _domain(entry), Kind.PORTAL, entry.pk)
            self._add_doors(end)
            end.hashes = frozenset(hashed for door in end.carriers for hashed in self._hashes_of(door))
            yield end
        yield from self._portals_of_vless()

    def bridges(self) -> Iterator[End]:
        for number, entry in enumerate(self._lists[Kind.BRIDGE]):
            tag = _tag(entry)
            end = End("bridge", tag or f"#{number}", tag, _domain(entry), Kind.BRIDGE, entry.pk)
            self._add_ways(end)
            yield end
        for entry in self._lists[Kind.OUTBOUND]:
            tag = _text(get(get(get(entry.body, "settings"), "reverse"), "tag"))
            if tag:
                end = End("bridge", tag, tag, "", Kind.OUTBOUND, entry.pk)
                self._add_way_out(end, entry)
                self._add_ways(end)
                yield end

    def _portals_of_vless(self) -> Iterator[End]:
        """Clients of inbounds that bring a tunnel along; several may have one tag."""
        ends: dict[str, End] = {}
        for number, inbound in enumerate(self._lists[Kind.INBOUND]):
            for client in inbound.clients:
                tag = _text(get(get(client.body, "reverse"), "tag"))
                if not tag or not client.enabled:
                    continue
                end = ends.get(tag)
                if end is None:
                    end = ends[tag] = End("portal", tag, tag, "", Kind.INBOUND, inbound.pk)
                    self._add_doors(end)
                door = _door(number, inbound, "")
                if door.key not in {one.key for one in end.carriers}:
                    end.carriers.append(door)
                end.hashes |= {self._hash(secret_of(client.body))}
        yield from ends.values()

    def _hash(self, secret: str) -> str:
        return self._keyed_hash(hashed_form(secret))[:HASH_CHARS]

    def _add_doors(self, end: End) -> None:
        seen: set[str] = set()
        for body, targets in self._rules:
            if end.tag not in targets or not end.tag:
                continue
            asks_for_domain = end.domain in _domains(body)
            for number, inbound in self._inbounds_of(body):
                door = _door(number, inbound, ", ".join(conditions(body)))
                is_carrier = asks_for_domain or (door.protocol in CARRYING and bool(end.domain))
                listed = end.carriers if is_carrier else end.doors
                if door.key not in seen and len(listed) < MAX_ENTRIES:
                    seen.add(door.key)
                    listed.append(door)

    def _inbounds_of(self, body: Body) -> Iterator[tuple[int, Entry]]:
        named = [tag.strip() for tag in words(get(body, "inboundTag"))]
        if named:
            yield from (self._inbounds[tag] for tag in named if tag in self._inbounds)
        else:
            yield from enumerate(self._lists[Kind.INBOUND])

    def _add_ways(self, end: End) -> None:
        """By the rules for what comes from it: its own carriers have its domain, everything else is sessions."""
        if not end.tag:
            return
        is_decided = False
        for body, targets in self._rules:
            if end.tag not in [tag.strip() for tag in words(get(body, "inboundTag"))] or not targets:
                continue
            outbound = self._outbounds.get(targets[0])
            if outbound is None:
                continue
            if end.domain and end.domain in _domains(body):
                self._add_way_out(end, outbound)
            else:
                self._add_target(end, outbound)
                if not conditions(body):
                    is_decided = True
                    break
        if not is_decided and self._lists[Kind.OUTBOUND]:
            first = self._lists[Kind.OUTBOUND][0]
            if end.domain and not end.via:
                self._add_way_out(end, first)
            elif not end.targets:
                self._add_target(end, first)

    def _add_way_out(self, end: End, outbound: Entry) -> None:
        columns = outbound_columns(outbound.body)
        end.via = end.via or columns["tag"] or columns["protocol"]
        end.address = end.address or _host_port(columns["address"], columns["port"])
        end.hashes |= {self._hash(secret) for secret in _secrets_of_outbound(outbound.body)}

    def _add_target(self, end: End, outbound: Entry) -> None:
        columns = outbound_columns(outbound.body)
        protocol = columns["protocol"]
        if protocol in ("freedom", "direct"):
            target = _cut(_text(get(get(outbound.body, "settings"), "redirect")))
        elif protocol in ("blackhole", "block"):
            return
        else:
            target = f"by {columns['tag'] or protocol}"
        if target not in end.targets and len(end.targets) < MAX_TARGETS:
            end.targets.append(target)

    def _targets_of(self, body: Body) -> list[str]:
        """Tags of outbounds and portals that a rule may lead to."""
        outbound = _text(get(body, "outboundTag"))
        if outbound:
            return [outbound]
        balancer = _text(get(body, "balancerTag"))
        found: list[str] = []
        for entry in self._lists[Kind.BALANCER] if balancer else []:
            if _tag(entry) == balancer:
                selectors = tuple(one for one in words(get(entry.body, "selector")) if one)
                tags = [*self._outbounds, *(_tag(portal) for portal in self._lists[Kind.PORTAL])]
                found += [tag for tag in tags if tag and tag.startswith(selectors)]
        return found

    def _hashes_of(self, door: Door) -> Iterator[str]:
        for number, inbound in enumerate(self._lists[Kind.INBOUND]):
            if _key(number, inbound) == door.key:
                yield from (self._hash(secret) for client in inbound.clients if client.enabled
                            and (secret := secret_of(client.body)))


def _door(number: int, inbound: Entry, rule: str) -> Door:
    columns = inbound_columns(inbound.body)
    settings = get(inbound.body, "settings")
    target = ""
    if columns["protocol"] in ("dokodemo-door", "tunnel"):
        address, port = _text(get(settings, "address", "rewriteAddress")), get(settings, "port", "rewritePort")
        target = _host_port(address, str(port) if isinstance(port, int) and port else columns["port"])
    listen = columns["listen"]
    host = "" if listen in ("0.0.0.0", "::") else listen
    shown = listen if listen.startswith(("/", "@")) else _host_port(host, columns["port"])
    return Door(_key(number, inbound), inbound.pk, columns["protocol"], _cut(shown), rule, _cut(target))


def _key(number: int, entry: Entry) -> str:
    return _tag(entry) or f"#{number}"


def _tag(entry: Entry) -> str:
    return _text(get(entry.body, "tag"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _domain(entry: Entry) -> str:
    return _text(get(entry.body, "domain")).lower()


def _domains(body: Body) -> set[str]:
    """The domains that a rule asks for by their whole names."""
    found = set()
    for one in words(get(body, "domain", "domains")):
        name = one.strip().lower()
        found.add(name.removeprefix("full:").removeprefix("domain:"))
    return found


def _secrets_of_outbound(body: Body) -> Iterator[str]:
    settings = get(body, "settings")
    if secret := secret_of(settings if isinstance(settings, dict) else {}):
        yield secret
    servers = get(settings, "vnext", "servers")
    for server in servers if isinstance(servers, list) else []:
        users: Any = get(server, "users")
        for user in users if isinstance(users, list) else [server]:
            if isinstance(user, dict) and (secret := secret_of(user)):
                yield secret


def _host_port(host: str, port: str) -> str:
    if not host and not port:
        return ""
    return f"{f'[{host}]' if ':' in host else host}:{port}" if port else host


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}..."
