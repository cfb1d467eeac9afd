"""How long a connection may be silent."""

from __future__ import annotations

CONNECTION_IDLE_S = 300.0
"""connIdle of the cores: no byte in either direction."""

HALF_CLOSED_IDLE_S = 30.0
"""No byte in either direction after one side has finished. The cores take a second, which cuts off slow answers."""


FLOW_IDLE_S = 60.0
"""A flow without a datagram for one to two periods ends (the cores: about two minutes)."""


class Limits:
    """Of one kind of connection; all that have it see a change when the wheel looks at them next.

    A limit holds between one and two periods. After an end, a limit of 0 ends the connection at the wheel's next step.
    """

    __slots__ = ("after_eof_in_s", "after_eof_out_s", "flow_idle_s", "idle_s")

    def __init__(
        self, idle_s: float = CONNECTION_IDLE_S, after_eof_in_s: float = HALF_CLOSED_IDLE_S,
        after_eof_out_s: float = HALF_CLOSED_IDLE_S, flow_idle_s: float = FLOW_IDLE_S,
    ) -> None:
        """`after_eof_in_s`: silence after the far end has finished; `after_eof_out_s`: after we have. `flow_idle_s`: for
        datagrams."""
        self.idle_s = idle_s
        self.after_eof_in_s = after_eof_in_s
        self.after_eof_out_s = after_eof_out_s
        self.flow_idle_s = flow_idle_s

    def __repr__(self) -> str:
        return f"<Limits {self.idle_s:g} {self.after_eof_in_s:g} {self.after_eof_out_s:g}>"


DEFAULT_LIMITS = Limits()

CARRIER_LIMITS = Limits()
"""Of the connections of a reverse tunnel, whatever the policy: heartbeats, not payload, tell that they live."""
