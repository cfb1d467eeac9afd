"""What an agent and its workers say to each other, each message one JSON object (framing.py).

`python -m proxycore worker --socket PATH` listens on a Unix socket at PATH, mode 0600, in a directory that is its owner's
alone. An agent connects to it: the one that started the worker, and after it is gone the next one, which finds the worker by
PATH. The newest connection is the agent's, the one before is closed. On each, the worker first says Hello and, where a
document runs, a State that is all there is; then each side speaks when it has something to say.

The first Run begins: its Done says whether it runs. A worker whose first document is wrong ends with exit code 23 after that
Done, one that could not start for another reason (a port is taken) with 1, and one that was stopped with 0. A worker to which
no agent is connected goes on for ORPHAN_S, then stops itself. No document, and so no secret, is on its command line or in a
file of its own.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from proxycore.messages.events import Event

ORPHAN_S: Final = 60.0
"""How long a worker goes on without an agent: longer than an agent takes to come back, and soon enough not to be in the way."""


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Limit(Message):
    """A credential that ends before its document does. `path`: its entry in the document, `inbounds[0].settings.clients[3]`.

    It is taken out when `expires_at` (Unix seconds) has come, when its e-mail has moved `bytes_left` more (both ways, from
    the moment that this message is read), or at once where that is 0.
    """

    path: str = Field(max_length=1024)
    email: str = Field(default="", max_length=255)
    expires_at: float | None = None
    bytes_left: int | None = Field(default=None, ge=0)


class PausedTunnel(Message):
    """A tunnel that takes no new clients, by its end in this document."""

    kind: Literal["portal", "bridge"]
    tunnel: str = Field(max_length=255)             # its tag


# agent to worker


class Run(Message):
    """The first message, and each time another document is to take its place. It is answered by Done with the same id."""

    type: Literal["run"] = "run"
    id: int
    name: str = Field(max_length=255)               # for messages: "home-nas #12"
    document: str
    limits: list[Limit] = []
    paused: list[PausedTunnel] = []


class SetLimits(Message):
    """Other limits for the document that runs, and other tunnels that are paused; they are all of them."""

    type: Literal["limits"] = "limits"
    limits: list[Limit]
    paused: list[PausedTunnel] = []


class Ask(Message):
    """A question or an order; answered by Done. `what` and `arguments`: questions.py."""

    type: Literal["ask"] = "ask"
    id: int
    what: str = Field(max_length=64)
    arguments: dict[str, Any] = {}


class Stop(Message):
    """Let connections go on for `drain_s`, then end."""

    type: Literal["stop"] = "stop"
    drain_s: float = 5.0


# worker to agent


class Hello(Message):
    """The first on each connection. `name`, `document_sha256` (of its text as UTF-8): of what runs, "" where nothing does."""

    type: Literal["hello"] = "hello"
    pid: int
    since: float                                    # Unix seconds, when the process started
    version: str = Field(default="", max_length=32)         # of xrev
    name: str = Field(default="", max_length=255)
    document_sha256: str = Field(default="", max_length=64)


class Complaint(Message):
    """Why something was not done: `path` with `line` and `column` in the document, where that is the reason."""

    text: str = Field(max_length=2000)
    path: str = Field(default="", max_length=1024)
    line: int = 0
    column: int = 0


class Done(Message):
    """`changes`: sentences about what another document changed; `answer`: to Ask; `problems` is empty where all went well."""

    type: Literal["done"] = "done"
    id: int
    problems: list[Complaint] = []
    changes: list[str] = []
    answer: dict[str, Any] = {}


class State(Message):
    """What is different in the worker's part of WorkerState: once a second, and before and after another document is applied.

    `is_full`: it is all there is, forget what was.
    """

    type: Literal["state"] = "state"
    patch: dict[str, Any]
    is_full: bool = False


class Happened(Message):
    type: Literal["event"] = "event"
    event: Event


class Logged(Message):
    """Lines of its log, as (Unix seconds, level, text)."""

    type: Literal["log"] = "log"
    lines: list[tuple[float, str, str]]


ToWorker = Annotated[Run | SetLimits | Ask | Stop, Field(discriminator="type")]
FromWorker = Annotated[Hello | Done | State | Happened | Logged, Field(discriminator="type")]
to_worker: TypeAdapter[ToWorker] = TypeAdapter(ToWorker)
from_worker: TypeAdapter[FromWorker] = TypeAdapter(FromWorker)
