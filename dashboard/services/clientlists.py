"""All clients of an inbound at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dashboard.engine.content import Body, Entry
from dashboard.engine.going_back import final_order
from dashboard.engine.matching import match_clients
from dashboard.models import Inbound
from dashboard.services.importing import sync_clients


def with_disabled(old: Sequence[Entry], bodies: Iterable[Body]) -> list[Entry]:
    """These as clients, with those of the old ones between them that are disabled and not among them."""
    new = [Entry(body) for body in bodies]
    disabled = {number for number, client in enumerate(old) if not client.enabled}
    return [client for client, _ in final_order(old, new, match_clients(old, new), disabled)]


def replace_clients(inbound: Inbound, old: Sequence[Entry], new: Sequence[Entry]) -> None:
    """The clients of `inbound` become `new`, by matching, so that counters stay."""
    sync_clients([(Entry({}, clients=list(new), pk=inbound.pk), Entry({}, clients=list(old), pk=inbound.pk))])
