"""Things that happened: what pages list, notifications tell and logs say."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

MAX_TEXT_CHARS = 500


class Kind(StrEnum):
    WORKER_STARTED = "worker_started"
    WORKER_DIED = "worker_died"
    CRASH_LOOP = "crash_loop"
    APPLIED = "applied"                     # a document took the place of another
    REFUSED_DOCUMENT = "refused_document"   # it cannot be run here
    REVERTED = "reverted"                   # the revision before came back by itself
    CONFIRMED = "confirmed"
    TUNNEL_UP = "tunnel_up"                 # the first carrier
    TUNNEL_DOWN = "tunnel_down"             # the last one went, or is of an earlier document
    REFUSED = "refused"                     # handshakes and sessions that were refused: counted, see Refusal
    STALLED = "stalled"                     # a session was reset, or a carrier left, because it stood still
    CREDENTIAL_STOPPED = "credential_stopped"       # expired, used up, switched off
    CLOSED_BY_HAND = "closed_by_hand"
    BLOCKED = "blocked"
    PAUSED = "paused"                       # a tunnel takes no new clients, by hand
    RESUMED = "resumed"
    EVENTS_LOST = "events_lost"             # the agent's buffer was full while the panel was away; `count` of them
    NODE_UP = "node_up"                     # the panel's
    NODE_DOWN = "node_down"                 # the panel's
    NODE_TWICE = "node_twice"               # the panel's: one identity from two places


class Refusal(StrEnum):
    """Why a handshake or a session was refused: keys of `refusals`, and `reason` of REFUSED events."""

    UNKNOWN_USER = "unknown_user"
    CLOCK = "clock"                         # the peer's clock is off; `seconds` says how much
    REPLAY = "replay"
    MALFORMED = "malformed"                 # not this protocol
    TLS = "tls"
    TIMEOUT = "timeout"                     # said nothing in time
    WRONG_DOMAIN = "wrong_domain"           # a carrier asked for a domain that no portal has
    NO_ROUTE = "no_route"
    NO_CARRIER = "no_carrier"
    TARGET_REFUSED = "target_refused"
    BLOCKED = "blocked"                     # the source was blocked, by hand or by a rule to blackhole
    LIMIT = "limit"                         # a bound of ours
    PAUSED = "paused"                       # the tunnel takes no new clients: counted, and no event


class Event(BaseModel):
    """One thing that happened, or `count` of the same kind, reason and place within some seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    kind: Kind
    at: float                               # Unix seconds
    instance: int = 0                       # 0: of the node
    tag: str = Field(default="", max_length=255)    # portal, bridge or inbound
    text: str = Field(default="", max_length=MAX_TEXT_CHARS)        # a sentence without secrets
    reason: str = Field(default="", max_length=64)
    source: str = Field(default="", max_length=64)                  # address of the peer, an example where count > 1
    count: int = Field(default=1, ge=1)
    seconds: float | None = None            # how long, how far off
