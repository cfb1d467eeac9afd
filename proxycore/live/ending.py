"""The connections of one source, ended by hand: those that inbounds accepted, of clients and of bridges alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxycore.errors import LinkDown
from proxycore.net.listen import plain
from proxycore.net.udp import UdpListener

if TYPE_CHECKING:
    from proxycore.instance import Instance


def end_connections_of(instance: Instance, source: str) -> int:
    """How many there were. `source` is the address that the socket is connected to, whatever a PROXY header says."""
    error = LinkDown("its source was blocked")
    found = [
        stream
        for inbound in instance.running.inbounds.values() for stream in inbound.census.open
        if (address := stream.remote_address) is not None and plain(address)[0] == source]
    for stream in found:
        stream.fail(error)
    flows = 0
    for listener in instance.running.listeners.values():
        if isinstance(listener, UdpListener):
            flows += listener.end_flows_of(source)
    return len(found) + flows
