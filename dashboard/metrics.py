"""Figures for Prometheus, at /metrics: for API tokens that may see instances, and without one for programs on this host."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from dashboard.accounts.client_address import client_address
from dashboard.api.authentication import SCHEME, find_token, note_use
from dashboard.choices import Standing
from dashboard.models import ApiToken, Certificate, Instance, Node, TrafficSeries
from dashboard.services.asking import gauges_of_nodes

MAX_CLIENT_SERIES: Final = 2000
"""Clients whose traffic is told one by one; of more only the sum is. A Prometheus chokes on unbounded labels."""

MAX_TUNNEL_SERIES: Final = 2000
"""The same for tunnels that run; of more only their instances are told."""

_FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")


def metrics(request: HttpRequest) -> HttpResponse:
    token = _token(request)
    if token is None and not is_from_this_host(request):
        refused = HttpResponse("An API token is needed.\n", status=401, content_type="text/plain")
        refused["WWW-Authenticate"] = SCHEME
        return refused
    if token is not None and not token.user.has_perm("dashboard.view_instance"):
        return HttpResponse("The token's owner may not see instances.\n", status=403, content_type="text/plain")
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if token is not None:
        note_use(token, client_address(request))
    registry = CollectorRegistry()
    registry.register(PanelCollector(token))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def is_from_this_host(request: HttpRequest) -> bool:
    """Whether it came over loopback and not through a proxy, whose clients all look so."""
    if settings.TRUSTED_PROXIES or any(name in request.META for name in _FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _token(request: HttpRequest) -> ApiToken | None:
    scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return find_token(text.strip()) if scheme.lower() == SCHEME.lower() else None


class PanelCollector(Collector):
    """What the database knows, and what the nodes' connections say that runs now, for the instances of `token`."""

    def __init__(self, token: ApiToken | None) -> None:
        self._names: dict[str, tuple[str, str]] = {}        # by the number as text: (name, its node's)
        self._sees_all = token is None or not token.is_limited
        self._instances: QuerySet[Instance] = Instance.objects.all()
        if token is not None and token.is_limited:
            self._instances = self._instances.filter(pk__in=list(token.instances.values_list("pk", flat=True)))

    def collect(self) -> Iterator[Metric]:
        yield from self._instance_metrics()
        yield from self._live()
        yield from self._traffic()
        yield from self._credentials()
        if self._sees_all:
            yield from self._certificates()

    def _instance_metrics(self) -> Iterator[Metric]:
        labels = ["instance", "node"]
        enabled = GaugeMetricFamily("xrev_instance_enabled", "1: it should run", labels=labels)
        revision = GaugeMetricFamily("xrev_instance_published_revision", "Number of its newest revision", labels=labels)
        rows = self._instances.annotate(newest=Max("revisions__number")).order_by("name")
        for pk, name, node, is_enabled, newest in rows.values_list("pk", "name", "node__name", "enabled", "newest"):
            self._names[str(pk)] = (name, node)
            enabled.add_metric([name, node], int(is_enabled))
            revision.add_metric([name, node], newest or 0)
        yield from (enabled, revision)

    def _live(self) -> Iterator[Metric]:
        """Of a node that is not connected only that is known; of an instance that it does not have, nothing."""
        nodes = list(Node.objects.filter(state=Standing.APPROVED).order_by("name").values_list("pk", "name", "is_up"))
        if self._sees_all:
            up = GaugeMetricFamily("xrev_node_up", "1: its agent is connected", labels=["node"])
            for _, name, is_up in nodes:
                up.add_metric([name], int(is_up))
            yield up
        said = gauges_of_nodes([pk for pk, _, is_up in nodes if is_up])
        mine = [(self._names[key], one) for instances in said.values() for key, one in instances.items() if key in self._names]
        labels = ["instance", "node"]
        running = GaugeMetricFamily("xrev_worker_up", "1: its worker runs", labels=labels)
        sessions = GaugeMetricFamily("xrev_sessions", "Live sessions of all its tunnels", labels=labels)
        for names, one in sorted(mine, key=lambda pair: pair[0]):
            running.add_metric(names, int(one["is_running"]))
            sessions.add_metric(names, one["sessions"])
        yield from (running, sessions)
        tunnels = [(names, *tunnel) for names, one in mine for tunnel in one["tunnels"]]
        yield from _tunnels(tunnels if len(tunnels) <= MAX_TUNNEL_SERIES else [])

    def _traffic(self) -> Iterator[Metric]:
        moved = CounterMetricFamily(
            "xrev_traffic_bytes", "Bytes since the first report; up is from the client to the target",
            labels=["instance", "kind", "name", "direction"])
        opened = CounterMetricFamily(
            "xrev_opened", "Connections and sessions that began", labels=["instance", "kind", "name"])
        rows = TrafficSeries.objects.filter(instance__in=self._instances).order_by("instance__name", "kind", "name")
        clients = rows.filter(kind="user")
        if clients.count() > MAX_CLIENT_SERIES:
            rows = rows.exclude(kind="user")
        for instance, kind, name, up, down, began in rows.values_list("instance__name", "kind", "name", "up", "down", "opened"):
            moved.add_metric([instance, kind, name, "up"], up)
            moved.add_metric([instance, kind, name, "down"], down)
            opened.add_metric([instance, kind, name], began)
        yield from (moved, opened)

    def _credentials(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("xrev_clients", "Clients by state", labels=["instance", "state"])
        now = timezone.now()
        counts = self._instances.annotate(
            total=Count("inbounds__credentials"),
            expired=Count("inbounds__credentials", filter=Q(inbounds__credentials__expires_at__lte=now)),
            off=Count("inbounds__credentials", filter=Q(inbounds__credentials__enabled=False)),
        ).values_list("name", "total", "expired", "off")
        for name, total, expired, off in counts.order_by("name"):
            for state, count in (("all", total), ("expired", expired), ("off", off)):
                family.add_metric([name, state], count)
        yield family

    def _certificates(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("xrev_certificate_expiry_timestamp_seconds", "When it ends", labels=["certificate"])
        for name, end in Certificate.objects.exclude(not_after=None).values_list("name", "not_after").order_by("name"):
            assert end is not None
            family.add_metric([name], end.timestamp())
        yield family


def _tunnels(found: list[tuple[tuple[str, str], str, str, int, int]]) -> Iterator[Metric]:
    """`found`: (instance and node, kind, tag, carriers, sessions)."""
    labels = ["instance", "node", "kind", "name"]
    up = GaugeMetricFamily("xrev_tunnel_up", "1: this portal or bridge has a carrier", labels=labels)
    carriers = GaugeMetricFamily("xrev_tunnel_carriers", "Its carriers", labels=labels)
    sessions = GaugeMetricFamily("xrev_tunnel_sessions", "Live sessions on them", labels=labels)
    for names, kind, tag, count, live in sorted(found):
        values = [*names, kind, tag]
        up.add_metric(values, int(count > 0))
        carriers.add_metric(values, count)
        sessions.add_metric(values, live)
    yield from (up, carriers, sessions)
