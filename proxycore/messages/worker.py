"""What an agent and its workers say to each other, each message one JSON object (framing.py).

The worker gets one end of a socketpair as its standard input. The first message is Run; its Done says whether it runs. A worker
whose first document cannot be run ends with exit code 23 after that Done.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from proxycore.messages.events import Event


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Limit(Message):
    """A credential that ends before its document does. `path`: its entry in the document, `inbounds[0].settings.clients[3]`.

    It is taken out when `expires_at` (Unix seconds) has come, when its e-mail has moved `bytes_left` more (both ways, from
    the moment that this message is read), or at once where that is 0.
    """

    path: str = Field(max_length=1024)
    email: str = Field("", max_length=255)
    expires_at: float | None = None
    bytes_left: int | None = Field(None, ge=0)


# agent to worker


class Run(Message):
    """The first message, and each time another document is to take its place. It is answered by Done with the same id."""

    type: Literal["run"] = "run"
    id: int
    name: str = Field(max_length=255)               # for messages: "home-nas #12"
    document: str
    limits: list[Limit] = []


class SetLimits(Message):
    """Other limits for the document that runs; they are all of them."""

    type: Literal["limits"] = "limits"
    limits: list[Limit]


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


class Complaint(Message):
    """Why something was not done: `path` with `line` and `column` in the document, where that is the reason."""

    text: str = Field(max_length=2000)
    path: str = Field("", max_length=1024)
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
    """What is different in the worker's part of WorkerState, at most once a second."""

    type: Literal["state"] = "state"
    patch: dict[str, Any]


class Happened(Message):
    type: Literal["event"] = "event"
    event: Event


class Logged(Message):
    """Lines of its log, as (Unix seconds, level, text)."""

    type: Literal["log"] = "log"
    lines: list[tuple[float, str, str]]


ToWorker = Annotated[Run | SetLimits | Ask | Stop, Field(discriminator="type")]
FromWorker = Annotated[Done | State | Happened | Logged, Field(discriminator="type")]
to_worker: TypeAdapter[ToWorker] = TypeAdapter(ToWorker)
from_worker: TypeAdapter[FromWorker] = TypeAdapter(FromWorker)
