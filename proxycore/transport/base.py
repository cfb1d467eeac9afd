"""The contract of a transport layer, and the base of its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from proxycore.destination import Destination, HostPort
from proxycore.protocols.base import Settings
from proxycore.stream import Stream

Then: TypeAlias = Callable[[Stream, HostPort, HostPort], None]
"""Takes over an accepted stream, with the client's address and the one it connected to: sets the stream's `peer`."""


class TransportSettings(Settings):
    """Base of the settings models: keys are the fields' names in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True)


class ServerLayer(Protocol):
    """One configured layer of an inbound."""

    def accept(self, lower: Stream, source: HostPort, local: HostPort, then: Then) -> None:
        """Take over `lower`, whose `peer` is set on return. `then` is called once the layer knows who it is and is
        ready for use; a peer that does not get there costs its own connection and nothing else."""


class ClientLayer(Protocol):
    """One configured layer of an outbound."""

    def wrap(self, lower: Stream, destination: Destination) -> Stream:
        """The stream above `lower`, which may still be connecting. What is written before the layer is ready is kept,
        and the writer paused. If it never gets ready, its peer is aborted."""
