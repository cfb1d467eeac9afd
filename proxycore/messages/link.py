"""What an agent and the panel say to each other: one JSON object per WebSocket message, at `/agent/v1/`.

The agent dials with `Authorization: Bearer xrevnode_...`, its identity, which `POST /agent/v1/join/` gave it for a join token.
It says Hello, gets Welcome and Wanted, and from then on each side speaks when it has something to say. Close codes say why
the panel ends it: the agent comes back after some of them, and for the others waits to be restarted or told.
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from proxycore.messages.events import Event
from proxycore.messages.worker import Complaint, Limit, PausedTunnel

PROTOCOL: Final = 1
"""Of this module. Both sides say theirs; the panel refuses what it cannot speak, in words (Close.VERSION)."""

PATH: Final = "/agent/v1/"
JOIN_PATH: Final = "/agent/v1/join/"
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_DOCUMENT_BYTES: Final = MAX_MESSAGE_BYTES * 3 // 4
"""Of documents in one Wanted, as `document_bytes` has it; more follow in the next one."""

SILENCE_S: Final = 15.0
"""Who hears nothing for so long (there is a State or Ping at least every 5 s) takes the other for gone."""


class Close(IntEnum):
    """Codes of the WebSocket."""

    REVOKED = 4401          # the identity is no longer good: workers are stopped, the agent ends
    PAUSED = 4403           # the node is paused: workers are stopped, and it comes back to wait (Hello.is_paused)
    REPLACED = 4409         # the same identity connected from elsewhere, and that one is newer
    WAITING = 4425          # not approved yet: come back
    VERSION = 4426          # this panel does not speak the agent's PROTOCOL
    BROKEN = 4400           # a message that is none


class Message(BaseModel):
    # Python reads NaN and 1e999 as numbers; no browser, and no other reader of JSON, takes them back.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class JoinRequest(Message):
    """Body of POST JOIN_PATH. `name` is what the node would like to be called: its host's name."""

    token: str = Field(max_length=255)
    name: str = Field(default="", max_length=64)
    version: str = Field(default="", max_length=32)


class Joined(Message):
    """The answer. `identity` is shown this once; the agent keeps it (0600)."""

    identity: str
    node: int
    name: str


# agent to panel


class Running(Message):
    """A document that the agent has: `document_sha256` is of its text as UTF-8."""

    instance: int
    revision: int
    document_sha256: str = Field(max_length=64)


class Hello(Message):
    type: Literal["hello"] = "hello"
    protocol: int = PROTOCOL
    version: str = Field(max_length=32)
    boot: str = Field(max_length=64)        # random, of this agent process
    at: float                               # its clock, Unix seconds
    host: str = Field(default="", max_length=255)   # its name
    system: str = Field(default="", max_length=255)         # "Linux 6.1 x86_64, Python 3.11.7"
    running: list[Running] = []
    is_paused: bool = False                 # it was told so: its workers are stopped, and its Welcome comes when it is resumed


class State(Message):
    """What is different in the NodeState. `is_full`: it is all there is, forget what was."""

    type: Literal["state"] = "state"
    at: float
    patch: dict[str, Any]
    is_full: bool = False


class Happened(Message):
    """The next ones come when EventsKept says `seq`, which grows by one and begins with 1 in each agent process; the same ones
    are said again after a new connection, and when no answer came. 0: nobody waits for an answer.
    """

    type: Literal["events"] = "events"
    events: list[Event] = Field(max_length=1000)
    seq: int = Field(default=0, ge=0, lt=2**63)


class Applied(Message):
    """What became of a revision. `problems` is empty where it runs."""

    type: Literal["applied"] = "applied"
    instance: int
    revision: int
    problems: list[Complaint] = []
    changes: list[str] = []


class Reverted(Message):
    """`revision` did not stand: `back_to` runs again (0: nothing does)."""

    type: Literal["reverted"] = "reverted"
    instance: int
    revision: int
    back_to: int
    reason: str = Field(max_length=500)


class Moved(Message):
    """Bytes since the last time, of one thing. `kind`: inbound, outbound, tunnel, user; `name`: its tag or e-mail."""

    instance: int
    kind: Literal["inbound", "outbound", "tunnel", "user"]
    name: str = Field(max_length=255)
    up: int = Field(ge=0)
    down: int = Field(ge=0)
    opened: int = Field(default=0, ge=0)            # sessions or connections that began


class Traffic(Message):
    """What moved in the ten seconds from `at` on. Sent again until TrafficKept says `seq`; `boot` and `seq` tell it once."""

    type: Literal["traffic"] = "traffic"
    boot: str = Field(max_length=64)        # of the agent process that counted it
    seq: int = Field(ge=0, lt=2**63)
    at: int = Field(ge=0, lt=2**63)         # Unix seconds, a multiple of ten
    moved: list[Moved] = Field(max_length=100_000)


class Answer(Message):
    type: Literal["answer"] = "answer"
    id: str = Field(max_length=64)
    answer: dict[str, Any] = {}
    problems: list[Complaint] = []


class LogLines(Message):
    """Of a worker whose log somebody watches."""

    type: Literal["log"] = "log"
    instance: int
    lines: list[tuple[float, str, str]]


class Ping(Message):
    type: Literal["ping"] = "ping"
    at: float = 0.0


# panel to agent


class Welcome(Message):
    type: Literal["welcome"] = "welcome"
    protocol: int = PROTOCOL
    version: str = ""
    node: int
    name: str
    at: float                               # the panel's clock
    notes: list[str] = []                   # sentences for the agent's log: an older version, a second place


class WantedInstance(Message):
    """One instance as it should run. `document` is None where the agent has it already, by its hash. `paused`: tunnels that take
    no new clients for now.

    `confirm_s`: how long a new revision has to prove itself (0: it is final at once). Within that time the worker has to live
    and tunnels that were up before have to come back; `needs_confirm`: and the panel has to say Confirm.
    """

    instance: int
    name: str = Field(max_length=64)
    revision: int
    document_sha256: str = Field(max_length=64)
    document: str | None = None
    limits: list[Limit] = []
    paused: list[PausedTunnel] = []
    confirm_s: float = 0.0
    needs_confirm: bool = False
    memory_bytes: int = 0                   # limits of the worker process; 0: none
    descriptors: int = 0


class Wanted(Message):
    """All that the node should run: what is not in it is stopped. `instances` without a document keep the one they have."""

    type: Literal["wanted"] = "wanted"
    instances: list[WantedInstance]


class Confirm(Message):
    type: Literal["confirm"] = "confirm"
    instance: int
    revision: int


class Ask(Message):
    """For a worker, or for the agent (questions.py). Answered by Answer with the same id."""

    type: Literal["ask"] = "ask"
    id: str = Field(max_length=64)
    instance: int
    what: str = Field(max_length=64)
    arguments: dict[str, Any] = {}


class TrafficKept(Message):
    type: Literal["kept"] = "kept"
    boot: str = Field(max_length=64)
    seq: int


class EventsKept(Message):
    """Everything up to `seq` of this agent process is written down."""

    type: Literal["events_kept"] = "events_kept"
    seq: int


def document_bytes(text: str) -> int:
    """How much a document takes in a message."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))


FromAgent = Annotated[
    Hello | State | Happened | Applied | Reverted | Traffic | Answer | LogLines | Ping, Field(discriminator="type")]
FromPanel = Annotated[Welcome | Wanted | Confirm | Ask | TrafficKept | EventsKept | Ping, Field(discriminator="type")]
from_agent: TypeAdapter[FromAgent] = TypeAdapter(FromAgent)
from_panel: TypeAdapter[FromPanel] = TypeAdapter(FromPanel)
