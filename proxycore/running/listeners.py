"""Listening sockets. They outlive the inbounds behind them: a port that goes from one to another is never closed."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from proxycore.errors import ConfigError
from proxycore.net.limits import Limits
from proxycore.net.listen import Accept, Listener, bind, share_port
from proxycore.net.socket_stream import Census
from proxycore.net.transparent_udp import Senders
from proxycore.net.udp import AcceptFlow, UdpListener
from proxycore.net.unix import UnixAddress, bind_unix
from proxycore.running.change import Change, Phase
from proxycore.running.ground import Ground
from proxycore.running.listen_key import ListenKey
from proxycore.stats import Account
from proxycore.transport.sockopt import Sockopt

MAX_LISTENING_PORTS = 4096
"""Of one instance: a range is easily written a digit too long."""

_log = logging.getLogger("xrev.instance")

AnyListener: TypeAlias = Listener | UdpListener


@dataclass(frozen=True, slots=True)
class Served:
    """What is behind a listening socket: an inbound called `name`, whose port (or unix socket) stands at `path`."""

    name: str
    path: str
    accept: Accept
    accept_packets: AcceptFlow
    census: Census
    is_carrier: bool
    options: Sockopt | None
    limits: Limits
    account: Account
    unix: UnixAddress | None = None


def prepare_listeners(
    wanted: Iterable[tuple[ListenKey, Served]], running: Mapping[ListenKey, AnyListener], ground: Ground, change: Change
) -> dict[ListenKey, AnyListener]:
    """Bind what is new. What serves another inbound now is only told so. What is left over accepts nothing more; flows of
    datagrams go on. Raises: ConfigError.
    """
    table: dict[ListenKey, Served] = {}
    for key, served in wanted:
        if table.setdefault(key, served) is not served:
            raise ConfigError(served.path, f"{key} is already taken by {table[key].name}")
        if len(table) > MAX_LISTENING_PORTS:
            raise ConfigError(served.path, f"an instance listens on {MAX_LISTENING_PORTS} ports at most")
    left = {key: listener for key, listener in running.items() if key not in table}
    fading = {key: listener for key, listener in ground.fading.items() if not listener.is_gone}
    found: dict[ListenKey, AnyListener] = {}
    replaced: set[ListenKey] = set()
    for key, served in table.items():
        listener = running.get(key) or fading.get(key)
        if listener is not None:
            change.on_commit(Phase.SWAP, _serve, listener, served)
        else:
            in_the_way: dict[ListenKey, AnyListener] = {
                old: one for old, one in (*fading.items(), *left.items()) if old.is_in_the_way_of(key) and old not in table}
            listener = _listen(key, served, in_the_way.values(), ground, change)
            for old, one in in_the_way.items():
                replaced.add(old)
                change.on_commit(Phase.SWAP, _serve, one, served)
                left[old] = one
            change.on_commit(Phase.START, _log.info, "%s: listening on %s", served.name, key)
        found[key] = listener
    for key, listener in left.items():
        change.on_commit(Phase.RETIRE, _retire, key, listener, ground, key in replaced)
    change.on_commit(Phase.RETIRE, ground.forget_faded, found)
    return found


def _listen(
    key: ListenKey, served: Served, in_the_way: Iterable[AnyListener], ground: Ground, change: Change
) -> AnyListener:
    listener: AnyListener
    if served.unix is not None:
        sock, clean_up = bind_unix(served.unix, served.path)
        listener = Listener(
            ground.poller, ground.wheel, served.census, sock, served.accept, is_carrier=served.is_carrier, clean_up=clean_up,
            limits=served.limits, account=served.account)
        change.on_undo(listener.close)
        return listener
    kind = socket.SOCK_STREAM if key.network == "tcp" else socket.SOCK_DGRAM
    shares = False
    for other in in_the_way:            # ours, and about to go: both are bound for a moment, so that nobody is refused
        share_port(other.sock, is_shared=True)
        change.on_undo(share_port, other.sock)
        shares = True
    sock = bind(key.address, key.port, kind, served.path, served.options, shares=shares)
    if shares:
        share_port(sock)                # from now on nobody else may come beside it
    if key.network == "tcp":
        listener = Listener(
            ground.poller, ground.wheel, served.census, sock, served.accept, is_carrier=served.is_carrier, options=served.options,
            limits=served.limits, account=served.account)
    else:
        options = served.options
        senders = Senders(partial(options.before_send, binds=False)) if options is not None and options.tells_targets else None
        listener = UdpListener(
            ground.loop, ground.wheel, sock, served.accept_packets, served.limits, served.account, senders)
    change.on_undo(listener.close)
    return listener


def _serve(listener: AnyListener, served: Served) -> None:
    if isinstance(listener, Listener):
        listener.serve(
            served.accept, served.census, is_carrier=served.is_carrier, options=served.options, limits=served.limits,
            account=served.account)
        if served.unix is not None and served.unix.mode is not None:
            os.chmod(served.unix.name, served.unix.mode)
    else:
        listener.serve(served.accept_packets, served.limits, served.account)


def _retire(key: ListenKey, listener: AnyListener, ground: Ground, is_replaced: bool) -> None:
    if isinstance(listener, UdpListener) and not is_replaced:
        listener.retire()
        ground.fading[key] = listener
    else:
        if isinstance(listener, Listener) and is_replaced:
            listener.accept_waiting()       # who connected to the old socket is served by the new inbound
        listener.close()
    _log.info("no longer listening on %s", key)
