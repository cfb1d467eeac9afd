"""Exposing a service: what will be made, for a look at it, and then making it. Both come from one `Wish`."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from dashboard.choices import Verb
from dashboard.engine.content import LIST_PATHS, Body, Content, Entry, Kind, get
from dashboard.engine.diff import Change, diff_contents, without_empty_lists
from dashboard.engine.exposing import CORES, DOMAIN_SUFFIX, Carrier, Exposed, expose, new_document
from dashboard.engine.exposing import Service as Asked
from dashboard.engine.identity import self_signed
from dashboard.engine.linting import Finding, lint_text
from dashboard.engine.parse import parse_document
from dashboard.engine.secrets import mask_entry
from dashboard.models import Instance, Node, Service
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError
from dashboard.services.exporting import as_text
from dashboard.services.importing import import_content
from dashboard.services.instances import create_instance, delete_instance
from dashboard.services.ports import MAX_PORT, conflicts_of, free_port
from dashboard.services.publishing import publish
from dashboard.services.storing import load_content

FIRST_PUBLIC_PORT: Final = 8080
FIRST_CARRIER_PORT: Final = 10240
OWN_CORE: Final = "xrev"
NETWORKS: Final = (("tcp",), ("udp",), ("tcp", "udp"))

NOT_A_NAME: Final = "Up to 32 small letters, digits and dashes: home-nas, say."
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?")
_OUTBOUND_SPACE: Final = (Kind.OUTBOUND, Kind.PORTAL, Kind.BALANCER)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. `instance` None: a new one on `node`. `far_node` None: they run the `core` themselves."""

    name: str
    target_host: str
    target_port: int
    networks: tuple[str, ...]
    node: Node
    instance: Instance | None
    public_port: int
    portal_host: str
    carrier: Carrier
    carrier_port: int
    core: str
    far_node: Node | None = None
    public_listen: str = ""

    @property
    def near_name(self) -> str:
        return self.instance.name if self.instance is not None else f"{self.name}-portal"

    @property
    def far_name(self) -> str:
        return f"{self.name}-bridge"


class BadWish(ServiceError):
    """What does not go together, by the wish's field."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(" ".join(problems.values()), next(iter(problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Side:
    """`document` has its secrets masked. `instance_name` is empty for a file that somebody runs."""

    instance_name: str
    is_new: bool
    changes: list[Change]
    document: Body
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be made. `version` is the public instance's; None: it will be new."""

    near: Side
    far: Side
    version: int | None


def suggested_ports(node: Node) -> tuple[int, int]:
    """A port for the public, and one for carriers, that no inbound of the node has."""
    return free_port(node, FIRST_PUBLIC_PORT), free_port(node, FIRST_CARRIER_PORT)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def plan(wish: Wish) -> Plan:
    """What `carry_out` would make. Changes nothing. Raises BadWish."""
    before = load_content(wish.instance) if wish.instance is not None else Content({})
    problems = _problems(wish, before)
    if problems:
        raise BadWish(problems)
    exposed = _entries(wish)
    after = _with(before, exposed) if wish.instance is not None else _parsed(new_document(exposed))
    conflicts = _port_problems(wish, after)
    if conflicts:
        raise BadWish(conflicts)
    near = new_document(exposed)
    return Plan(
        _side(wish.near_name, before, after, near, is_new=wish.instance is None),
        _side(
            wish.far_name if wish.far_node is not None else "", Content({}), _parsed(exposed.far), exposed.far,
            core=CORES[wish.core].lint_name),
        wish.instance.version if wish.instance is not None else None,
    )


@transaction.atomic
def carry_out(wish: Wish, *, by: Actor, expected_version: int | None = None, publishes: bool = True) -> Service:
    """Make both sides, and publish them. Everything or nothing.

    Raises: BadWish; VersionConflict: the public instance changed since the plan; what publishing raises.
    """
    planned = plan(wish)
    exposed = _entries(wish)
    note = f"exposes {wish.name}"
    if wish.instance is None:
        near = create_instance(name=wish.near_name, node=wish.node, by=by)
        import_content(near, _parsed(new_document(exposed)), by=by, verb=Verb.CHANGED, note=note)
    else:
        near = wish.instance
        expected = expected_version if expected_version is not None else planned.version
        content = _with(load_content(near), exposed)
        import_content(near, content, by=by, expected_version=expected, verb=Verb.CHANGED, note=note)
    far: Instance | None = None
    if wish.far_node is not None:
        far = create_instance(name=wish.far_name, node=wish.far_node, by=by)
        import_content(far, _parsed(exposed.far), by=by, verb=Verb.CHANGED, note=note)
    service = Service.objects.create(
        name=wish.name,
        instance=near,
        far_instance=far,
        core=wish.core,
        target_host=wish.target_host,
        target_port=wish.target_port,
        networks=",".join(wish.networks),
        public_port=wish.public_port,
        portal_host=wish.portal_host,
        carrier=wish.carrier,
        carrier_port=wish.carrier_port,
        far_document=as_text(exposed.far),
        created_by=by if by is not None and by.is_authenticated else None,  # type: ignore[misc]
    )
    record(by, Verb.CREATED, service, instance=near, note=f"leads to {service.target} behind {CORES[wish.core].title}")
    if publishes:
        for instance in (near, far):
            if instance is not None:
                publish(instance, by=by, comment=note, accept_warnings=True)
    return service


@transaction.atomic
def take_down(service: Service, *, by: Actor) -> bool:
    """Remove what was made for it: its entries, its far instance, and the public one if it holds nothing else.

    Publishes nothing. Whether the public instance is still there."""
    instance = service.instance
    content = load_content(instance)
    left = _without(content, service.name)
    record(by, Verb.DELETED, service, instance=instance)
    if service.far_instance is not None:
        delete_instance(service.far_instance, by=by)
    service.delete()
    if not _is_bare(left):
        import_content(instance, left, by=by, verb=Verb.CHANGED, note=f"no longer exposes {service.name}")
        return True
    delete_instance(instance, by=by)
    return False


def _entries(wish: Wish) -> Exposed:
    """With a new id each time. Raises BadWish."""
    domain = f"{wish.name}{DOMAIN_SUFFIX}"
    asked = Asked(
        name=wish.name, target_host=wish.target_host, target_port=wish.target_port, networks=wish.networks,
        public_listen=wish.public_listen, public_port=wish.public_port, portal_host=wish.portal_host,
        carrier_port=wish.carrier_port, carrier=wish.carrier, core=wish.core, user_id=str(uuid.uuid4()),
        identity=self_signed(domain, timezone.now()) if wish.carrier == "vless" else None,
    )
    try:
        return expose(asked)
    except ValueError as error:
        raise BadWish({"carrier": f"{error}."}) from None


def _side(name: str, before: Content, after: Content, document: Body, *, is_new: bool = True, core: str = "") -> Side:
    changes = without_empty_lists(diff_contents(before, after))
    return Side(name, is_new, changes, mask_entry(document), lint_text(json.dumps(document), "document", core))


def _problems(wish: Wish, before: Content) -> dict[str, str]:
    found: dict[str, str] = {}
    if not is_name(wish.name):
        found["name"] = NOT_A_NAME
    elif Service.objects.filter(name=wish.name).exists():
        found["name"] = "Another service has this name."
    elif wish.instance is None and Instance.objects.filter(name=wish.near_name).exists():
        found["name"] = f"There is an instance {wish.near_name} already."
    elif wish.far_node is not None and Instance.objects.filter(name=wish.far_name).exists():
        found["name"] = f"There is an instance {wish.far_name} already."
    elif taken := _taken_tag(wish, before):
        found["name"] = f"{wish.near_name} has {taken} already: choose another name."
    for field, host in (("target_host", wish.target_host), ("portal_host", wish.portal_host)):
        if not _is_host(host):
            found[field] = "A name or an address is expected, without a port." if host else "This is needed."
    ports = {"target_port": wish.target_port, "public_port": wish.public_port, "carrier_port": wish.carrier_port}
    for field, port in ports.items():
        if not 0 < port <= MAX_PORT:
            found[field] = f"A port is a number from 1 to {MAX_PORT}."
    if wish.networks not in NETWORKS:
        found["networks"] = "TCP, UDP or both."
    if wish.core not in CORES:
        found["core"] = "This core is not known."
    if wish.public_port == wish.carrier_port and "tcp" in wish.networks:
        found["carrier_port"] = "The public port and the carriers' port must differ."
    return found


def _is_host(text: str) -> bool:
    """A name or an address."""
    try:
        return bool(ip_address(text))
    except ValueError:
        return _HOST_NAME.fullmatch(text) is not None


def _taken_tag(wish: Wish, before: Content) -> str:
    """An entry that has a tag which the new ones need, in words."""
    wanted = [(Kind.INBOUND, f"{wish.name}-entry"), (Kind.INBOUND, f"{wish.name}-carrier"), (Kind.BRIDGE, wish.name)]
    wanted += [(kind, wish.name) for kind in _OUTBOUND_SPACE]
    for kind, tag in wanted:
        if any(get(entry.body, "tag") == tag for entry in before.entries[kind]):
            return f"{'an' if kind in (Kind.INBOUND, Kind.OUTBOUND) else 'a'} {kind} {tag}"
    return ""


def _port_problems(wish: Wish, after: Content) -> dict[str, str]:
    found: dict[str, str] = {}
    for conflict in conflicts_of(wish.node, after, wish.instance):
        for field, tag, port, start in (
            ("public_port", f"{wish.name}-entry", wish.public_port, FIRST_PUBLIC_PORT),
            ("carrier_port", f"{wish.name}-carrier", wish.carrier_port, FIRST_CARRIER_PORT),
        ):
            if tag in (conflict.name, conflict.other):
                other = conflict.other if conflict.name == tag else conflict.name
                free = free_port(wish.node, max(start, port), (wish.public_port, wish.carrier_port))
                found[field] = f"Inbound {other} of {conflict.other_instance} listens there. {free} is free."
    return found


def _with(content: Content, exposed: Exposed) -> Content:
    """Its rules come first, so that none of those that are there takes its connections."""
    extended = Content(content.rest, content.comments, {kind: list(entries) for kind, entries in content.entries.items()})
    made = _parsed(new_document(exposed))
    for kind in (Kind.INBOUND, Kind.PORTAL):
        extended.entries[kind] += made.entries[kind]
    extended.entries[Kind.RULE] = [*made.entries[Kind.RULE], *extended.entries[Kind.RULE]]
    return extended


def _without(content: Content, name: str) -> Content:
    """Without the entries that `_with` put there, as far as they can still be told by their tags."""
    tags = {Kind.INBOUND: {f"{name}-entry", f"{name}-carrier"}, Kind.PORTAL: {name}}
    left = Content(content.rest, content.comments)
    for kind in LIST_PATHS:
        left.entries[kind] = [entry for entry in content.entries[kind] if get(entry.body, "tag") not in tags.get(kind, set())]
    left.entries[Kind.RULE] = [
        rule for rule in left.entries[Kind.RULE]
        if not (get(rule.body, "outboundTag") == name and _names_only(rule, tags[Kind.INBOUND]))
    ]
    return left


def _is_bare(content: Content) -> bool:
    """Nothing is left but the outbound that a new document has from the start."""
    others = [kind for kind in LIST_PATHS if kind is not Kind.OUTBOUND and content.entries[kind]]
    outbounds = content.entries[Kind.OUTBOUND]
    return not others and all(str(get(entry.body, "protocol")).lower() in ("blackhole", "block") for entry in outbounds)


def _names_only(rule: Entry, tags: set[str]) -> bool:
    named = get(rule.body, "inboundTag")
    return isinstance(named, list) and bool(named) and set(map(str, named)) <= tags


def _parsed(document: Body) -> Content:
    return parse_document(json.dumps(document))[0]


def wish_summary(wish: Wish) -> dict[str, Any]:
    """For the page that asks for a last look."""
    return {"near_name": wish.near_name, "far_name": wish.far_name, "core": CORES[wish.core]}
