"""Which tunnels there are, from the entry to the target: what maps are drawn of, to be joined with the live state.

What counts is what was published; an instance that never was shows what it would be. Each document is read once per
revision (or version), whatever many ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django.core.cache import cache
from django.db.models import Max, QuerySet

from dashboard.engine.content import Content
from dashboard.engine.exposing import CORES
from dashboard.engine.going_back import note_rows
from dashboard.engine.parse import split_document
from dashboard.engine.tunnels import Door, End, tunnel_ends
from dashboard.keys import keyring
from dashboard.models import Instance, Revision, Service
from dashboard.services.storing import load_contents

CACHE_S: Final = 86_400
BATCH: Final = 500              # documents read in one query


@dataclass(frozen=True, slots=True)
class Place:
    """An instance. `number` is its newest revision's; 0: it was never published, so nothing runs it."""

    pk: int
    name: str
    node: int
    node_name: str
    enabled: bool
    number: int


@dataclass(frozen=True, slots=True)
class Far:
    """A bridge of ours."""

    place: Place
    end: End


@dataclass(slots=True)
class Lane:
    """One tunnel. `portal` is None where only the bridge is ours; `core` is what somebody else runs as its bridge, in words."""

    name: str
    place: Place
    portal: End | None
    bridges: list[Far] = field(default_factory=list)
    service: int | None = None
    service_name: str = ""
    core: str = ""
    targets: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Of this lane among all."""
        return f"{self.place.pk}/{self.end.side}/{self.end.key}"

    @property
    def end(self) -> End:
        """The portal, or the bridge where that is somebody else's; it is in `place`."""
        return self.portal or self.bridges[0].end

    @property
    def doors(self) -> list[Door]:
        return self.portal.doors if self.portal is not None else []


@dataclass(frozen=True, slots=True)
class Topology:
    places: list[Place]
    lanes: list[Lane]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A service, as far as it says which ends belong together."""

    pk: int
    name: str
    instance: int
    far: int | None
    core: str
    target: str


def topology() -> Topology:
    """Of all instances. Three queries; where documents were not read yet one more, and seven for those never published."""
    places, versions = _places(Instance.objects.all())
    return Topology(places, _lanes(places, _ends(places, versions), _services()))


def ends_of(instances: Iterable[int]) -> dict[int, list[End]]:
    """Portals and bridges of these instances: of what was published last. One query, and as above."""
    return _ends(*_places(Instance.objects.filter(pk__in=instances)))


def _places(instances: QuerySet[Instance]) -> tuple[list[Place], dict[int, int]]:
    """By name; and the versions by instance."""
    rows = list(instances.annotate(newest=Max("revisions__number")).order_by("name").values_list(
        "pk", "name", "node_id", "node__name", "enabled", "newest", "version"))
    places = [Place(pk, name, node, node_name, enabled, number or 0) for pk, name, node, node_name, enabled, number, _ in rows]
    return places, {row[0]: row[6] for row in rows}


def _ends(places: Iterable[Place], versions: Mapping[int, int]) -> dict[int, list[End]]:
    """By instance. What the cache does not have is read."""
    ring = keyring()
    prefix = f"tunnels:{ring.keys[0].id}"
    keys = {place: f"{prefix}:{place.pk}:{f'r{place.number}' if place.number else f'v{versions[place.pk]}'}" for place in places}
    known: dict[str, list[End]] = cache.get_many(keys.values())
    missing = [place for place, key in keys.items() if key not in known]
    contents = _published([place for place in missing if place.number])
    contents |= load_contents([place.pk for place in missing if not place.number])
    fresh = {keys[place]: tunnel_ends(contents.get(place.pk, Content({})), ring.keyed_hash) for place in missing}
    if fresh:
        cache.set_many(fresh, CACHE_S)
    found = known | fresh
    return {place.pk: found[key] for place, key in keys.items()}


def _published(places: list[Place]) -> dict[int, Content]:
    """Their newest documents."""
    numbers = {place.pk: place.number for place in places}
    contents: dict[int, Content] = {}
    for start in range(0, len(places), BATCH):
        pks = [place.pk for place in places[start : start + BATCH]]
        newest = Revision.objects.filter(instance__in=pks).values("instance").annotate(newest=Max("pk")).values("newest")
        for revision in Revision.objects.filter(pk__in=newest).only("instance_id", "number", "document", "rows"):
            if numbers[revision.instance_id] == revision.number:
                content = split_document(revision.document)
                note_rows(content, revision.rows)
                contents[revision.instance_id] = content
    return contents


def _services() -> list[_Asked]:
    rows = Service.objects.values_list("pk", "name", "instance_id", "far_instance_id", "core", "target_host", "target_port")
    return [
        _Asked(pk, name, instance, far, core, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        for pk, name, instance, far, core, host, port in rows
    ]


def _lanes(places: list[Place], ends: Mapping[int, list[End]], services: list[_Asked]) -> list[Lane]:
    asked = {(service.instance, service.name): service for service in services}
    lanes = [
        Lane(end.tag or end.domain or "portal", place, end)
        for place in places for end in ends[place.pk] if end.side == "portal"
    ]
    for lane in lanes:
        service = asked.get((lane.place.pk, lane.portal.tag if lane.portal is not None else ""))
        if service is not None:
            lane.service, lane.service_name = service.pk, service.name
            core = CORES.get(service.core)
            lane.core = core.title if core is not None and service.far is None else ""
            lane.targets = [service.target]
    by_domain: dict[str, list[Lane]] = {}
    for lane in lanes:
        assert lane.portal is not None
        by_domain.setdefault(lane.portal.domain, []).append(lane)
    of_far = {(service.far, service.name): service for service in services if service.far is not None}
    alone: list[Lane] = []
    for place in places:
        for end in ends[place.pk]:
            if end.side != "bridge":
                continue
            far = Far(place, end)
            made = of_far.get((place.pk, end.tag))
            fitting = _fitting(far, lanes, by_domain.get(end.domain, []), made)
            for lane in fitting:
                lane.bridges.append(far)
            if not fitting:
                alone.append(Lane(end.tag or end.domain or "bridge", place, None, [far]))
    lanes += alone
    for lane in lanes:
        _add_targets(lane)
    return lanes


def _fitting(far: Far, everything: list[Lane], lanes: list[Lane], made: _Asked | None) -> list[Lane]:
    """The tunnels whose far end it is. The service that made it knows; else who has its domain (`lanes`), and its id where
    several do. Where none has its domain, who alone lets it in by its id: they belong together, and somebody mistyped.

    Ends of VLESS's own tunnels have no domain: only the id says which belong together.
    """
    if made is not None:
        mine = [lane for lane in everything if lane.service == made.pk]
        if mine:
            return mine
    same = [lane for lane in lanes or everything if lane.portal is not None and lane.portal.hashes & far.end.hashes]
    if not lanes:
        return same if len(same) == 1 and far.end.domain else []
    if same or not far.end.domain:
        return same
    return lanes if len(lanes) == 1 else []


def _add_targets(lane: Lane) -> None:
    """What the bridges say; where they go wherever they are asked to, what the entries ask for."""
    told = [target for far in lane.bridges for target in far.end.targets]
    asked = [door.target for door in lane.doors if door.target]
    if told:
        lane.targets = [target for one in told for target in ([one] if one else asked)]
    elif not lane.targets and not lane.bridges:
        lane.targets = asked
    lane.targets = list(dict.fromkeys(lane.targets))

