"""Policy levels: how long things may take, and how much may wait, for the users that have a level.

Where the document says nothing the values are those of the cores' code, but for what follows an end
(see net/limits.py). Source: Xray-core features/policy/policy.go, default.go; app/policy/config.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxycore.mux.session import SESSION_BUFFER_BYTES
from proxycore.net.limits import CONNECTION_IDLE_S, FLOW_IDLE_S, HALF_CLOSED_IDLE_S, Limits
from proxycore.net.wheel import STEP_S

HANDSHAKE_S = 60
LEVEL_1_IDLE_S = 600.0
"""Of level 1, where there is no `policy` section at all."""

MAX_BUFFER_BYTES = 8 * 1024 * 1024
"""What "unlimited" means: more than this would stop the whole carrier anyway."""


@dataclass(frozen=True, slots=True)
class LevelValues:
    """What a document gives for one level; None: nothing."""

    handshake_s: int | None = None
    conn_idle_s: int | None = None
    uplink_only_s: int | None = None        # idle limit once the remote end has finished
    downlink_only_s: int | None = None      # idle limit once the client has finished
    buffer_kib: int | None = None           # negative: unlimited
    counts_uplink: bool = False
    counts_downlink: bool = False
    counts_online: bool = False


@dataclass(frozen=True, slots=True)
class PolicyValues:
    """A document's `policy` section. Flags say what is exported by name."""

    levels: Mapping[int, LevelValues] = field(default_factory=dict)
    inbound_uplink: bool = False
    inbound_downlink: bool = False
    outbound_uplink: bool = False
    outbound_downlink: bool = False


class Level:
    """One level as it is in force. It is the same object for as long as the instance runs, so what holds it sees changes.

    client: for the socket of a client; target: for the socket to a target or server. buffer_bytes: per session of a mux.
    """

    __slots__ = ("buffer_bytes", "client", "handshake_s", "target", "values")

    def __init__(self) -> None:
        self.client, self.target = Limits(), Limits()
        self.apply(LevelValues())

    def apply(self, values: LevelValues, default_idle_s: float = CONNECTION_IDLE_S) -> None:
        self.values = values
        idle_s = default_idle_s if values.conn_idle_s is None else values.conn_idle_s + STEP_S
        uplink_s = HALF_CLOSED_IDLE_S if values.uplink_only_s is None else float(values.uplink_only_s)
        downlink_s = HALF_CLOSED_IDLE_S if values.downlink_only_s is None else float(values.downlink_only_s)
        self.client.idle_s = self.target.idle_s = idle_s
        self.client.flow_idle_s = self.target.flow_idle_s = FLOW_IDLE_S if values.conn_idle_s is None else idle_s
        # a client that has finished leaves the downlink; a target that has finished leaves the uplink
        self.client.after_eof_in_s = self.target.after_eof_out_s = downlink_s
        self.client.after_eof_out_s = self.target.after_eof_in_s = uplink_s
        # the wheel may look up to a step early: what is given is given whole
        self.handshake_s = HANDSHAKE_S if values.handshake_s is None else values.handshake_s + STEP_S
        if values.buffer_kib is None:
            self.buffer_bytes = SESSION_BUFFER_BYTES
        else:
            self.buffer_bytes = MAX_BUFFER_BYTES if values.buffer_kib < 0 else min(values.buffer_kib * 1024, MAX_BUFFER_BYTES)


class Policy:
    """The levels of an instance."""

    __slots__ = ("_levels", "values")

    def __init__(self, values: PolicyValues | None = None) -> None:
        """`values`: None where the document has no `policy` section."""
        self._levels: dict[int, Level] = {}     # those that were asked for; as many as documents name
        self.apply(values)

    def apply(self, values: PolicyValues | None) -> None:
        """A new document's; it holds for what runs too, from the next look at it."""
        self.values = values
        for number in self._levels:
            self._apply(number)

    def level(self, number: int) -> Level:
        level = self._levels.get(number)
        if level is None:
            level = self._levels[number] = Level()
            self._apply(number)
        return level

    def _apply(self, number: int) -> None:
        if self.values is None:
            self._levels[number].apply(LevelValues(), LEVEL_1_IDLE_S if number == 1 else CONNECTION_IDLE_S)
        else:
            self._levels[number].apply(self.values.levels.get(number, LevelValues()))
