"""Questions and orders to what runs (proxycore/messages/questions.py), from any process of the panel."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from typing import Any, Final

from asgiref.sync import async_to_sync
from redis.exceptions import RedisError

from dashboard.choices import Standing, Verb
from dashboard.engine.origins import add_countries
from dashboard.live.replies import NoAnswer, NobodyThere, ask_node, gauges_of, totals_of
from dashboard.models import Instance, Node
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError
from proxycore.messages import questions

TIMEOUT_S: Final = 12.0
DIAGNOSE_S: Final = 65.0
MAX_ARGUMENTS_BYTES: Final = 16 * 1024
MAX_ASKING: Final = 40      # questions of one process that wait at once: each keeps a request from its end, a minute maybe

LOOKS: Final = frozenset({questions.SESSIONS, questions.EXPLAIN, questions.PICK, questions.DIAGNOSE, questions.LOG})
ORDERS: Final[Mapping[str, Verb]] = {
    questions.CLOSE: Verb.CLOSED, questions.BLOCK: Verb.BLOCKED, questions.UNBLOCK: Verb.UNBLOCKED,
    questions.RESTART: Verb.RESTARTED,
}
"""What changes something: written into the audit log, and for who may publish."""

_asking: Final = threading.Semaphore(MAX_ASKING)


class NotConnected(ServiceError):
    """The node is not there, or does not answer."""


class NotDone(ServiceError):
    """The node answered that it cannot."""


def is_for_publishers(what: str, arguments: Mapping[str, Any]) -> bool:
    """What changes something; and a diagnosis of a target that is named: who only looks is not to try the addresses of the
    far side's network one by one."""
    return what in ORDERS or (what == questions.DIAGNOSE and bool(arguments.get("target")))


def ask(
    instance: Instance, what: str, arguments: Mapping[str, Any], *, by: Actor, timeout_s: float | None = None
) -> dict[str, Any]:
    """The answer. Who may ask is for the caller to check. Raises ServiceError, NotConnected, NotDone."""
    if what not in LOOKS and what not in ORDERS:
        raise ServiceError(f"what may be asked is one of {', '.join(sorted([*LOOKS, *ORDERS]))}", "what")
    if len(json.dumps(arguments)) > MAX_ARGUMENTS_BYTES:
        raise ServiceError(f"the arguments are longer than {MAX_ARGUMENTS_BYTES} bytes", "arguments")
    node = Node.objects.get(pk=instance.node_id)
    _refuse_absent(node)
    limit_s = timeout_s or (DIAGNOSE_S if what == questions.DIAGNOSE else TIMEOUT_S)
    if not _asking.acquire(blocking=False):
        raise NotConnected("too many questions wait for their answers; try again in a moment")
    try:
        said = async_to_sync(ask_node)(node.pk, instance.pk, what, dict(arguments), limit_s)
    except NobodyThere:
        raise NotConnected(f"the node {node} is not connected") from None
    except NoAnswer:
        raise NotConnected(f"the node {node} did not answer within {limit_s:.0f} s") from None
    except (RedisError, OSError):
        raise NotConnected("the panel's broker does not answer, so nodes cannot be asked") from None
    finally:
        _asking.release()
    if said["problems"]:
        first = said["problems"][0]
        raise NotDone(str(first.get("text", "the node could not do it")), str(first.get("path", "")))
    answer: dict[str, Any] = said["answer"]
    if what == questions.SESSIONS:
        add_countries(answer.get("sessions", []))
    if what in ORDERS:
        record(by, ORDERS[what], instance, instance=instance, note=_told(what, arguments, answer))
    return answer


def what_stops(node: Node) -> dict[str, int] | None:
    """What is cut when the node is paused or revoked: workers, tunnels, sessions. None: it is not connected."""
    if not node.is_up:
        return None
    try:
        return async_to_sync(totals_of)(node.pk)
    except (NobodyThere, NoAnswer, RedisError, OSError):
        return None


def gauges_of_nodes(node_pks: Collection[int]) -> dict[int, dict[str, Any]]:
    """What runs on those nodes, for monitors, as NodeTree.gauges has it; without those that do not answer."""
    if not node_pks:
        return {}
    try:
        return async_to_sync(gauges_of)(node_pks)
    except (NobodyThere, NoAnswer, RedisError, OSError):
        return {}


def _refuse_absent(node: Node) -> None:
    if node.state != Standing.APPROVED:
        raise NotConnected(f"the node {node} is {Standing(node.state).label}")
    if not node.is_up:
        seen = f", last seen {node.last_seen_at:%Y-%m-%d %H:%M} UTC" if node.last_seen_at is not None else ""
        raise NotConnected(f"the node {node} is not connected{seen}")


def _told(what: str, arguments: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """For the audit log: which sessions, of whom."""
    parts = []
    if source := arguments.get("source"):
        parts.append(f"of {source}")
    if tunnel := arguments.get("tunnel"):
        parts.append(f"tunnel {tunnel}")
    if ids := arguments.get("ids"):
        parts.append(f"{len(ids)} chosen" if isinstance(ids, list) else "chosen")
    if what == questions.BLOCK and (seconds := arguments.get("seconds")):
        parts.append(f"for {seconds} s")
    if arguments.get("everything"):
        parts.append("all sessions")
    if "closed" in answer:
        parts.append(f"{answer['closed']} closed")
    return ", ".join(str(part) for part in parts)[:500]
