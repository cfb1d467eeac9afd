"""The tree of what runs now. It is plain JSON: workers make it, agents gather it, the panel and browsers follow it by patches.

A key that does not apply is absent; null never occurs, since in a patch it removes a key. Bytes are counted since the worker
started, `up` from the client to the target, `down` back. Times are Unix seconds. Keys of maps are tags where not said
otherwise; an entry without a tag is keyed `#3`, its place in the document from 0.
"""

from __future__ import annotations

from typing import Literal, TypedDict

WorkerPhase = Literal["starting", "running", "backing_off", "crash_loop", "stopping", "stopped", "refused"]
"""`refused`: its document cannot be run here, `problem` says why. `crash_loop`: it is not started again by itself."""

CarrierHealth = Literal["active", "draining", "suspect"]
"""`suspect`: it has not answered lately, and is not picked."""

SessionPhase = Literal["active", "half_closed", "waiting_for_client", "waiting_for_target"]


class CarrierState(TypedDict, total=False):
    peer: str               # address:port of the other end, as we see it; "" where a proxy hides it
    user: str               # e-mail of the credential
    dialect: str            # name of the control session
    core: str               # what the peer seems to be, in words: "xrev", "Xray 25.9.10 or newer"; absent: not known
    extension: int          # version of the extension in use; 0: none
    health: CarrierHealth
    leaving: bool           # its portal or bridge is none of the document any more; absent: it is
    rtt_ms: float
    loss: float             # 0 to 1
    sessions: int           # live, without the control session
    opened: int             # ever
    since: float
    up: int
    down: int


class PortalState(TypedDict, total=False):
    domain: str             # "" for the reverse tunnel of VLESS
    paused: bool            # it takes no new clients; absent: it does
    carriers: dict[str, CarrierState]       # by a number that is not used twice in a worker's life
    waiting: int            # clients that wait for a carrier
    sessions: int
    opened: int             # sessions ever
    failed: int             # sessions that ended without a byte from the target
    up: int
    down: int
    last_peer: str          # where the last carrier came from
    last_seen: float        # when there was last a carrier; absent: never
    last_error: str         # why the last carrier ended


class BridgeState(TypedDict, total=False):
    domain: str
    paused: bool            # it takes no new sessions; absent: it does
    carriers: dict[str, CarrierState]
    sessions: int
    opened: int
    up: int
    down: int
    via: str                # tag of the outbound by which it goes out
    failures: int           # attempts since a carrier was last up
    last_error: str
    last_seen: float
    retry_at: float


class InboundState(TypedDict, total=False):
    protocol: str
    listen: list[str]       # "127.0.0.1:8080/tcp", "/run/x.sock"
    open: int               # connections now
    accepted: int           # ever
    up: int
    down: int


class OutboundState(TypedDict, total=False):
    protocol: str
    up: int
    down: int
    alive: bool             # by an observatory
    delay_ms: float


class UserState(TypedDict, total=False):
    up: int
    down: int
    online: int             # different addresses


class Problem(TypedDict, total=False):
    path: str               # JSON path in the document
    line: int
    column: int
    text: str


class WorkerState(TypedDict, total=False):
    """One instance. The parts from `inbounds` on are the worker's own; those before are the agent's."""

    phase: WorkerPhase
    pid: int
    since: float            # when the process started
    revision: int           # that runs
    pending: int            # revision that runs but was not confirmed yet
    confirm_until: float
    restarts: int
    last_exit: str          # how the last process ended, in words
    problem: Problem        # why the newest document does not run
    wanted: int             # revision that was asked for, where it is not the one that runs
    cpu: float              # share of one core, 0 to 1
    memory: int             # bytes, resident
    descriptors: int
    lag_ms: float           # how late its loop is
    inbounds: dict[str, InboundState]
    outbounds: dict[str, OutboundState]
    portals: dict[str, PortalState]
    bridges: dict[str, BridgeState]
    users: dict[str, UserState]             # by e-mail; those that moved anything
    refusals: dict[str, int]                # by reason: see events.Refusal
    sessions: int           # live, of all tunnels, without control sessions
    connections: int        # accepted, ever
    blocked: dict[str, float]               # sources that are refused: until when


class HostState(TypedDict, total=False):
    cpu: float              # share of the whole host, 0 to 1
    memory: int             # bytes in use
    memory_total: int
    load: float             # of one minute
    since: float            # when the agent started
    version: str            # of xrev
    clock_skew_s: float     # the node's clock less the panel's; written by the panel


class NodeState(TypedDict, total=False):
    host: HostState
    workers: dict[str, WorkerState]         # by the instance's number, as text


class SessionState(TypedDict, total=False):
    """One session of a tunnel. Not part of the tree: it is asked for by pages that show it."""

    id: str                 # "carrier/session/serial": closing by an old id closes no other
    carrier: str
    source: str             # address:port of the client, where it is known
    country: str            # of that address, where it is a public one: "DE"; written by the panel
    inbound: str            # tag of the entry
    user: str
    target: str             # host:port/tcp or /udp
    sniffed: str            # name that was found in the first bytes
    phase: SessionPhase
    up: int
    down: int
    since: float
