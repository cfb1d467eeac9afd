"""The tables of an instance's entries: one page of rows of one kind, as cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q
from django.http import HttpRequest

from dashboard.admin.links import change_link
from dashboard.engine.content import Kind, get
from dashboard.engine.picture import conditions
from dashboard.engine.references import words
from dashboard.models import Instance
from dashboard.services.storing import MODELS

ROWS_PER_PAGE: Final = 100
MAX_SELECTORS: Final = 6
_READ_WHOLE: Final = (Kind.RULE, Kind.BALANCER)     # their cells are read from the entry; others need not be decrypted

PLURALS: Final[dict[Kind, str]] = {
    Kind.INBOUND: "inbounds", Kind.OUTBOUND: "outbounds", Kind.PORTAL: "portals", Kind.BRIDGE: "bridges", Kind.RULE: "rules",
    Kind.BALANCER: "balancers",
}  # fmt: skip

WHAT_THEY_ARE: Final[dict[Kind, str]] = {
    Kind.INBOUND: "Where connections come in: a public port, or the port on which bridges reach this portal.",
    Kind.OUTBOUND: "Where connections go out. The first one that is on takes what no rule decides.",
    Kind.PORTAL: "The public end of a tunnel. A rule sends connections to it, and bridges of the same domain carry them.",
    Kind.BRIDGE: "The far end of a tunnel: it dials its portal by the domain, and brings back what came in there.",
    Kind.RULE: "The first rule, from the top, that a connection fits decides where it goes.",
    Kind.BALANCER: "Chooses among several outbounds for each connection. A rule sends connections to it.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """`cells` fit the table's `columns`; `name` is what the link says."""

    pk: int
    place: int
    name: str
    link: str
    enabled: bool
    cells: list[tuple[str, str]]        # (column, text)


@dataclass(frozen=True, slots=True)
class Table:
    kind: Kind
    plural: str
    about: str
    columns: tuple[str, ...]
    rows: list[Row]
    page: Page


def table(request: HttpRequest, instance: Instance, kind: Kind) -> Table:
    """The page that the request's `p` asks for, filtered by its `q`. A fixed number of queries."""
    columns, cells, searched = _SHAPES[kind]
    model: Any = MODELS[kind]
    rows = model.objects.filter(instance=instance).order_by("position", "id")
    rows = rows.defer("comments", *(() if kind in _READ_WHOLE else ("body",)))
    if kind is Kind.INBOUND:
        rows = rows.annotate(client_count=Count("credentials"))
    wanted = request.GET.get("q", "").strip()
    if wanted:
        condition = Q()
        for field in searched:
            condition |= Q(**{f"{field}__icontains": wanted})
        rows = rows.filter(condition)
    page = Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("p"))
    shown = [
        Row(row.pk, number, str(row), change_link(kind, row.pk), row.enabled, list(zip(columns, cells(row), strict=True)))
        for number, row in enumerate(page, page.start_index())
    ]
    return Table(kind, PLURALS[kind], WHAT_THEY_ARE[kind], columns, shown, page)


def _inbound(row: Any) -> list[str]:
    where = f"{row.listen or 'every address'}, port {row.port}" if row.port else row.listen
    return [row.protocol, where, _transport(row), str(row.client_count) if row.client_count else ""]


def _outbound(row: Any) -> list[str]:
    server = f"{row.address}:{row.port}" if row.port else row.address
    return [row.protocol, server, _transport(row), row.proxy_tag and f"through {row.proxy_tag}"]


def _transport(row: Any) -> str:
    return " + ".join(word for word in (row.network, row.security) if word and word != "none")


def _end(row: Any) -> list[str]:
    return [row.domain]


def _rule(row: Any) -> list[str]:
    body = row.entry
    told = [f"from {', '.join(tags[:MAX_SELECTORS])}"] if (tags := words(get(body, "inboundTag"))) else []
    target = row.outbound_tag or (f"balancer {row.balancer_tag}" if row.balancer_tag else "")
    return ["; ".join([*told, *conditions(body)]) or "everything", target]


def _balancer(row: Any) -> list[str]:
    selectors = words(get(row.entry, "selector"))
    return [row.strategy or "random", ", ".join(selectors[:MAX_SELECTORS]), row.fallback_tag]


_SHAPES: Final[dict[Kind, tuple[tuple[str, ...], Callable[[Any], list[str]], tuple[str, ...]]]] = {
    Kind.INBOUND: (("protocol", "listens on", "transport", "clients"), _inbound, ("tag", "protocol", "port", "listen")),
    Kind.OUTBOUND: (("protocol", "server", "transport", "dials"), _outbound, ("tag", "protocol", "address")),
    Kind.PORTAL: (("domain",), _end, ("tag", "domain")),
    Kind.BRIDGE: (("domain",), _end, ("tag", "domain")),
    Kind.RULE: (("takes", "sends to"), _rule, ("rule_tag", "outbound_tag", "balancer_tag", "body")),
    Kind.BALANCER: (("strategy", "selects", "falls back to"), _balancer, ("tag",)),
}
