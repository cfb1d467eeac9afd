"""How hosts become nodes: join tokens, and the identities that they are exchanged for."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from dashboard.api.authentication import is_secret, make_token, split_token
from dashboard.choices import Standing, Verb
from dashboard.live.telling import tell_standing
from dashboard.models import JoinToken, Node
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError
from dashboard.services.said import kept_text

JOIN_MARK: Final = "xrevjoin"
IDENTITY_MARK: Final = "xrevnode"
MAX_USES: Final = 1000
MAX_HOURS: Final = 24 * 90
DEFAULT_HOURS: Final = 24
MAX_NODES: Final = 5000
"""Rows that join tokens make; a leaked one with many uses fills no disk."""

_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARS: Final = 48             # leaves room for a number behind it


class JoinRefused(ServiceError):
    """Whatever was wrong: who joins is told nothing."""

    def __init__(self) -> None:
        super().__init__("this join token is not known, is used up, was revoked, or has expired")


def make_join_token(
    *, by: Actor, name: str = "", node: Node | None = None, uses: int = 1, hours: float = DEFAULT_HOURS,
    approves: bool | None = None,
) -> tuple[JoinToken, str]:
    """The token and its text, which is kept nowhere. `approves` by default where it is for one use. Raises ServiceError."""
    name = (name or (node.name if node is not None else "")).strip()
    if not name:
        raise ServiceError("a join token needs a name: the node's, or what it is for", "name")
    if not 1 <= uses <= MAX_USES:
        raise ServiceError(f"it can be used 1 to {MAX_USES} times", "uses")
    if node is not None and uses != 1:
        raise ServiceError("a token for one node can be used once", "uses")
    if not 0 < hours <= MAX_HOURS:
        raise ServiceError(f"it is good for at most {MAX_HOURS} hours", "hours")
    made = make_token(JOIN_MARK)
    is_person = by is not None and by.is_authenticated
    with transaction.atomic():
        token = JoinToken.objects.create(
            name=name[:64], node=node, prefix=made.prefix, secret_hash=made.secret_hash, max_uses=uses,
            approves=uses == 1 if approves is None else approves, expires_at=timezone.now() + timedelta(hours=hours),
            made_by=by if is_person else None,  # type: ignore[misc]
            made_by_name=by.get_username() if by is not None and is_person else "")
        note = f"for {f'the node {node}' if node is not None else 'new nodes'}, {uses} times, {hours:g} hours"
        record(by, Verb.CREATED, token, note=note + (", needs no approval" if token.approves else ""))
    return token, made.text


def revoke_join_token(token: JoinToken, *, by: Actor) -> None:
    """No host joins with it any more; those that did stay."""
    with transaction.atomic():
        if JoinToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            token.refresh_from_db()
            record(by, Verb.DELETED, token, note="revoked")


@transaction.atomic
def join(text: str, *, wished_name: str, version: str, address: str | None) -> tuple[Node, str]:
    """Exchange a join token for (the node, its identity). The identity is kept nowhere. Raises JoinRefused."""
    prefix, secret = split_token(text, JOIN_MARK)
    token = JoinToken.objects.filter(prefix=prefix).first() if prefix else None
    if not is_secret(secret, token.secret_hash if token is not None else None) or token is None:
        raise JoinRefused
    used = {"used": F("used") + 1, "last_used_at": timezone.now(), "last_used_from": address}
    if not JoinToken.objects.usable().filter(pk=token.pk).update(**used):      # two at once: each use is one
        raise JoinRefused
    node = _node_of(token, wished_name)
    made = make_token(IDENTITY_MARK)
    had_identity = node.identity_hash != ""
    node.identity_prefix, node.identity_hash = made.prefix, made.secret_hash
    node.state = Standing.APPROVED if token.approves else Standing.WAITING
    node.joined_at, node.joined_from, node.version = timezone.now(), address, kept_text(version, 32)
    node.boots, node.twice_at, node.twice_note = [], None, ""
    node.save()
    again = ", again: its identity from before is no longer good" if had_identity else ""
    record(None, Verb.JOINED, node, note=f"from {address or 'an unknown address'} with the token {token}{again}")
    tell_standing(node.pk)
    return node, made.text


def find_node(text: str) -> Node | None:
    """The node whose identity this is, whatever its state."""
    prefix, secret = split_token(text, IDENTITY_MARK)
    node = Node.objects.filter(identity_prefix=prefix).first() if prefix else None
    return node if is_secret(secret, node.identity_hash if node is not None else None) else None


def join_command(text: str, *, panel_url: str, fingerprint: str = "") -> str:
    """What is typed on the host. The token comes by standard input: command lines can be read by everybody there."""
    pin = f" --fingerprint {shlex.quote(fingerprint)}" if fingerprint else ""
    plain = " --plain-http-on-the-network" if _is_plain_on_the_network(panel_url) else ""
    panel = shlex.quote(panel_url.rstrip("/"))
    return f"echo {shlex.quote(text)} | python -m proxycore agent --panel {panel} --token-file -{pin}{plain}"


def _is_plain_on_the_network(url: str) -> bool:
    """Whether an agent has to be told that it may speak without TLS."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True


def _node_of(token: JoinToken, wished_name: str) -> Node:
    if token.node_id is not None:
        return Node.objects.select_for_update().get(pk=token.node_id)
    if Node.objects.count() >= MAX_NODES:
        raise JoinRefused
    base = _NAME.sub("-", wished_name).strip("-.")[:_NAME_CHARS] or _NAME.sub("-", token.name).strip("-.")[:_NAME_CHARS] or "node"
    taken = set(Node.objects.filter(name__startswith=base).values_list("name", flat=True))
    numbered = (f"{base}-{number}" for number in range(2, MAX_NODES + 3))
    return Node.objects.create(name=next(name for name in (base, *numbered) if name not in taken))
