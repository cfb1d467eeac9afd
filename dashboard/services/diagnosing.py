"""Why a tunnel is down: what the panel knows of it, then what its ends see, in the order in which a connection would go.

Each end that is ours is asked (proxycore/diagnosis); of one that is not, the other end tells what can be told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from dashboard.choices import Standing
from dashboard.models import Instance, InstanceRun, Node, Service
from dashboard.services.asking import ask
from dashboard.services.auditing import Actor
from dashboard.services.errors import ServiceError
from dashboard.services.pausing import pauses_of
from dashboard.services.topology import Far, Lane, Place, topology
from proxycore.messages import questions
from proxycore.messages.questions import Step

Side = Literal["panel", "portal", "bridge"]

MAX_TARGET_CHARS: Final = 262

_WAY: Final[tuple[tuple[Side, frozenset[str]], ...]] = (
    ("portal", frozenset({"entry", "carrier"})),
    ("bridge", frozenset({"route", "dns", "tcp", "transport"})),
    ("portal", frozenset({"bridge", "control"})),
    ("bridge", frozenset({"answer", "control"})),
    ("bridge", frozenset({"target"})),
)
"""Which end's lines come when: the way of a client's connection."""


class Line(Step):
    """A Step, and who saw it."""

    side: Side


@dataclass(slots=True)
class _Ends:
    """What is known before anybody is asked."""

    lane: Lane
    lines: list[Line] = field(default_factory=list)

    def add(self, name: str, title: str, outcome: questions.Outcome, seen: str, cause: str = "", remedy: str = "") -> None:
        line = Line(name=name, title=title, outcome=outcome, seen=seen, side="panel")
        if cause:
            line["cause"], line["remedy"] = cause, remedy
        self.lines.append(line)


def diagnose(
    instance: Instance, tag: str, *, by: Actor, target: str = "", only: Collection[int] | None = None
) -> list[Line]:
    """Of the tunnel whose portal or bridge in `instance` has this tag. `only`: other instances are neither asked nor named.

    Raises ServiceError: there is none.
    """
    lane = _find(instance, tag)
    if only is not None:
        lane = _part_of(lane, only)
    ends = _Ends(lane)
    may_ask: dict[int, bool] = {}
    for place in _places(lane):
        may_ask[place.pk] = _is_there(ends, place)
    if lane.portal is not None:
        _pair(ends)
    _look_whether_paused(ends)
    seen: dict[tuple[Side, str], list[Step]] = {}
    if lane.portal is not None and may_ask[lane.place.pk]:
        for step in _asked(ends, lane.place, lane.portal.tag or lane.portal.key, "portal", "", by):
            seen.setdefault(("portal", step["name"]), []).append(step)
    for far in lane.bridges:
        if may_ask[far.place.pk]:
            aim = target or next((one for one in (*lane.targets, *far.end.targets) if _is_host_port(one)), "")
            for step in _asked(ends, far.place, far.end.tag or far.end.key, "bridge", aim, by):
                seen.setdefault(("bridge", step["name"]), []).append(step)
    for side, names in _WAY:
        for (whose, name), steps in seen.items():
            if whose == side and name in names:
                ends.lines += [Line(**step, side=side) for step in steps]
    return ends.lines


def _find(instance: Instance, tag: str) -> Lane:
    lanes = topology().lanes
    for lane in lanes:
        if lane.portal is not None and lane.place.pk == instance.pk and tag in (lane.portal.tag, lane.portal.key):
            return lane
    for lane in lanes:
        if any(far.place.pk == instance.pk and tag in (far.end.tag, far.end.key) for far in lane.bridges):
            return lane
    raise ServiceError(f"{instance} has no tunnel {tag!r}", "tunnel")


def _part_of(lane: Lane, only: Collection[int]) -> Lane:
    bridges = [far for far in lane.bridges if far.place.pk in only]
    if len(bridges) == len(lane.bridges) and lane.place.pk in only:
        return lane
    portal = lane.portal if lane.place.pk in only else None
    return replace(lane, portal=portal, bridges=bridges, service=None, service_name="")


def _places(lane: Lane) -> Iterator[Place]:
    """The instances of ours at its ends, each once."""
    places = [lane.place] if lane.portal is not None else []
    yield from {place.pk: place for place in [*places, *(far.place for far in lane.bridges)]}.values()


def _is_there(ends: _Ends, place: Place) -> bool:
    """Whether the instance should run, and whether its node took what was published."""
    if not place.enabled:
        ends.add("enabled", f"{place.name} is switched on", "failed", "it is off", "somebody switched it off", "switch it on")
        return False
    if not place.number:
        ends.add("published", f"{place.name} is published", "failed", "nothing of it was published yet",
                 "a node runs what is published, not what is being edited", "publish it")
        return False
    node = Node.objects.get(pk=place.node)
    if node.state != Standing.APPROVED:
        ends.add("node", f"The node {node} may run it", "failed", f"it is {Standing(node.state).label}",
                 "only approved nodes run anything", "approve it on its page; a new one has to join first")
        return False
    if not node.is_up:
        seen = node.last_seen_at
        last = f"last heard of on {seen:%Y-%m-%d at %H:%M} UTC" if seen is not None else "never heard of"
        ends.add("node", f"The node {node} is connected", "failed", last,
                 "its host is off, has no network, or its agent does not run",
                 f"look at the agent on {node}; what it ran goes on without the panel")
        return False
    title = f"The node {node} is connected"
    if all(line["title"] != title for line in ends.lines):      # both ends may be on one
        ends.add("node", title, "ok", f"version {node.version}" if node.version else "yes")
    run = InstanceRun.objects.filter(instance=place.pk).first()
    if run is not None and run.refused == place.number and run.problems:
        first: dict[str, Any] = run.problems[0]
        where = f"{first.get('path')}: " if first.get("path") else ""
        ends.add("applied", f"Revision {place.number} of {place.name} runs", "failed", f"{where}{first.get('text', '')}",
                 "its node cannot run this document", "correct that, and publish again; what ran before goes on")
        return True
    if run is None or run.applied != place.number:
        ends.add("applied", f"Revision {place.number} of {place.name} runs", "warning",
                 f"revision {run.applied} runs" if run is not None and run.applied else "the node has not said so yet")
        return True
    ends.add("applied", f"Revision {place.number} of {place.name} runs", "ok", "the node says so")
    return True


def _pair(ends: _Ends) -> None:
    """Whether the two ends belong together, where both are ours."""
    lane = ends.lane
    assert lane.portal is not None
    if not lane.bridges:
        service = Service.objects.select_related("far_instance").filter(pk=lane.service).first() if lane.service else None
        if service is not None and service.far_instance is not None:
            ends.add(
                "pair", "The far side belongs to this tunnel", "failed",
                f"{service.far_instance} has no bridge with the domain {lane.portal.domain or '(none)'}",
                "one side was changed and the other was not", "give both the same domain and id, and publish both")
        else:
            who = f"it runs {lane.core}" if lane.core else "no bridge of ours has its domain"
            ends.add("pair", "The far side is ours", "skipped", f"{who}: it is looked at from this end only")
        return
    for far in lane.bridges:
        _compare(ends, far)


def _look_whether_paused(ends: _Ends) -> None:
    pause = pauses_of([ends.lane]).get(ends.lane.key)
    if pause is not None:
        who = f" by {pause.by_name}" if pause.by_name else ""
        ends.add("paused", "It takes new clients", "failed", f"it was paused{who} on {pause.since:%Y-%m-%d at %H:%M} UTC",
                 "somebody paused this tunnel: new clients are refused until it is resumed", "resume it")


def _compare(ends: _Ends, far: Far) -> None:
    portal = ends.lane.portal
    assert portal is not None
    if portal.domain and portal.domain != far.end.domain:
        ends.add(
            "domain", "Both ends have one domain", "failed",
            f"{portal.domain} at the portal, {far.end.domain} at {far.place.name}",
            "a portal takes only bridges that ask for its own domain", "give both the same domain, and publish both")
        return
    if portal.hashes and far.end.hashes and not portal.hashes & far.end.hashes:
        ends.add(
            "credential", "The portal knows the bridge's id", "failed",
            f"no client of the portal's inbound has the id of outbound {far.end.via or 'of the bridge'} of {far.place.name}",
            "the client was deleted, switched off, has ended, or has another id",
            "copy the client's id into that outbound, or switch the client on, and publish")
        return
    if portal.hashes and far.end.hashes:
        ends.add("credential", "The portal knows the bridge's id", "ok",
                 f"{far.place.name} comes by {far.end.via or 'its outbound'}")


def _asked(ends: _Ends, place: Place, tag: str, side: Side, target: str, by: Actor) -> list[Step]:
    arguments = {"tunnel": tag, "kind": side, "target": target}
    try:
        answer = ask(Instance.objects.get(pk=place.pk), questions.DIAGNOSE, arguments, by=by)
    except ServiceError as error:
        ends.add("worker", f"The worker of {place.name} answers", "failed", error.message,
                 "it does not run, or has not got that far", "look at its page: how it ended last, and its log")
        return []
    ends.add("worker", f"The worker of {place.name} answers", "ok", "yes")
    steps: list[Step] = answer.get("steps", [])
    return steps


def _is_host_port(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit()
