"""The WebSocket to the panel: opened again and again, and obeyed when the panel says why it ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, SecurityError

from proxycore import __version__, tasks
from proxycore.agent.backoff import Backoff
from proxycore.agent.joining import tls_advice
from proxycore.agent.outbox import Outbox
from proxycore.agent.panel_address import PanelAddress
from proxycore.errors import PeerError
from proxycore.messages.link import (
    MAX_MESSAGE_BYTES,
    PROTOCOL,
    SILENCE_S,
    Ask,
    Close,
    Confirm,
    EventsKept,
    FromPanel,
    Hello,
    Ping,
    TrafficKept,
    Wanted,
    Welcome,
    from_panel,
)

OPEN_S: Final = 15.0
CLOSE_S: Final = 2.0
WRITE_BUFFER_BYTES: Final = 256 * 1024
FIRST_BACKOFF_S: Final = 0.5
MOST_BACKOFF_S: Final = 30.0
STEADY_S: Final = 10.0              # a link that stood for so long was a good one
SAID_AGAIN_S: Final = 600.0         # the same trouble is logged again after so long

AGAIN_S: Final = {
    Close.REPLACED: 60.0, Close.WAITING: 5.0, Close.VERSION: 60.0, Close.BROKEN: 30.0,
}
"""When to come back after a close code, less up to a half of it."""

FIRST_PAUSED_S: Final = 1.0
MOST_PAUSED_S: Final = 60.0
"""A panel keeps the connection of a paused node that knows it; one that does not is asked ever more seldom."""

WHY: Final = {
    Close.REVOKED: "the panel has revoked this node",
    Close.PAUSED: "the panel has paused this node: its workers are stopped until it is resumed",
    Close.REPLACED: "another agent uses this node's identity, and is newer. Two hosts must not share a state directory: "
                    "join one of them anew, with a token of its own",
    Close.WAITING: "this node waits to be approved on the panel's Nodes page",
    Close.VERSION: f"the panel does not speak protocol {PROTOCOL} of this agent (xrev {__version__}): update the older one",
    Close.BROKEN: "the panel did not understand a message of this agent",
}

_log = logging.getLogger("xrev.agent.link")
_quiet = logging.getLogger("xrev.agent.websocket")


class Obeying(Protocol):
    """Who does what the panel says."""

    def hello(self) -> Hello: ...

    def welcomed(self, welcome: Welcome) -> None: ...

    def wanted(self, wanted: Wanted) -> None: ...

    def confirmed(self, confirm: Confirm) -> None: ...

    def asked(self, ask: Ask) -> None: ...

    def kept(self, kept: TrafficKept) -> None: ...

    async def paused(self) -> None: ...


class Link:
    """`run` returns when the node was revoked."""

    def __init__(
        self, address: PanelAddress, identity: str, outbox: Outbox, obeying: Obeying, *, backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._identity = identity
        self._outbox = outbox
        self._obeying = obeying
        self._backoff = backoff or Backoff(FIRST_BACKOFF_S, MOST_BACKOFF_S)
        self._paused_backoff = Backoff(FIRST_PAUSED_S, MOST_PAUSED_S)
        self._clock = clock
        self._trouble = ""
        self._trouble_at = 0.0
        self.is_up = False
        _quiet.setLevel(logging.WARNING)        # it tells every connection and every frame

    async def run(self) -> None:
        while True:
            code = await self._once()
            if code == Close.REVOKED:
                self._say(WHY[Close.REVOKED])
                return
            if code == Close.PAUSED:
                await self._obeying.paused()
            await asyncio.sleep(self._wait_s(code))

    def _wait_s(self, code: int) -> float:
        if code == Close.PAUSED:
            return self._paused_backoff.next_s()
        try:
            known = Close(code)
        except ValueError:
            return self._backoff.next_s()
        return Backoff(AGAIN_S[known], AGAIN_S[known]).next_s()

    async def _once(self) -> int:
        """One connection, to its end; the close code that the panel gave, else 0."""
        connecting = connect(
            self._address.websocket_url,
            ssl=self._address.tls(), additional_headers={"Authorization": f"Bearer {self._identity}"},
            user_agent_header=f"xrev-agent/{__version__}", compression=None, proxy=None,
            open_timeout=OPEN_S, ping_interval=None, close_timeout=CLOSE_S, max_size=MAX_MESSAGE_BYTES,
            write_limit=WRITE_BUFFER_BYTES, logger=_quiet,
            create_connection=partial(_Connection, self._address),  # type: ignore[arg-type]    # it is only called
        )
        try:
            socket = await connecting
        except (OSError, InvalidHandshake, InvalidURI, SecurityError, EOFError) as error:
            self._say(f"the panel at {self._address} {_why(error)}")
            return 0
        try:
            return await self._talk(socket)
        finally:
            self.is_up = False
            await socket.close()

    async def _talk(self, socket: ClientConnection) -> int:
        begun = self._clock()
        sending: asyncio.Task[None] | None = None
        try:
            await socket.send(self._obeying.hello().model_dump_json())
            while True:
                message = await self._next(socket)
                if isinstance(message, Welcome) and sending is None:
                    self._welcome(message)
                    sending = tasks.spawn("to the panel", self._send_all(socket))
                elif sending is not None and message is not None:
                    self._obey(message)
                elif isinstance(message, Ping):         # the node is paused: the panel will say when it is not
                    await socket.send(message.model_dump_json())
        except ConnectionClosed as closed:
            return self._closed(closed)
        except TimeoutError:
            self._say(f"the panel said nothing for {SILENCE_S:g} s")
        except PeerError as error:
            self._say(f"the panel's message cannot be read: {error}")
            return int(Close.BROKEN)
        except Exception:  # noqa: BLE001 - a bug of ours ends this connection, not the agent
            _log.exception("while the panel was listened to")
            return int(Close.BROKEN)
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.wait((sending,))
            if self._clock() - begun >= STEADY_S:
                self._backoff.reset()
                self._paused_backoff.reset()
        return 0

    async def _next(self, socket: ClientConnection) -> FromPanel | None:
        """The next message; None for one that a newer panel may say. Raises: TimeoutError, ConnectionClosed, PeerError."""
        async with asyncio.timeout(SILENCE_S):      # wait_for of Python 3.11 may swallow that we are cancelled
            text = await socket.recv()
        try:
            return from_panel.validate_json(text)
        except ValidationError as error:
            found: Any = error.errors(include_input=False, include_url=False, include_context=False)
            if found and found[0]["type"] == "union_tag_invalid":
                return None
            raise PeerError(json.dumps(found[:2])[:500]) from None

    def _welcome(self, welcome: Welcome) -> None:
        self.is_up = True
        self._trouble = ""
        _log.info("connected to %s as node %d, %s", self._address, welcome.node, welcome.name)
        for note in welcome.notes:
            _log.warning("the panel says: %s", note)
        if welcome.protocol != PROTOCOL:
            _log.warning("the panel (xrev %s) speaks protocol %d, this agent (xrev %s) protocol %d",
                         welcome.version, welcome.protocol, __version__, PROTOCOL)
        self._obeying.welcomed(welcome)
        self._outbox.connected()

    def _obey(self, message: FromPanel) -> None:
        match message:
            case Wanted():
                self._obeying.wanted(message)
            case Confirm():
                self._obeying.confirmed(message)
            case Ask():
                self._obeying.asked(message)
            case TrafficKept():
                self._obeying.kept(message)
            case EventsKept():
                self._outbox.events_kept(message.seq)

    async def _send_all(self, socket: ClientConnection) -> None:
        outbox = self._outbox
        try:
            while True:
                for message in outbox.next():
                    await self._send(socket, message)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(outbox.due_in_s):
                        await outbox.woken.wait()
        except ConnectionClosed:                # who receives is told as well
            return
        except Exception:  # noqa: BLE001 - a bug of ours ends this connection, not the agent
            _log.exception("while the panel was told")
            await socket.close()

    async def _send(self, socket: ClientConnection, message: BaseModel) -> None:
        """Returns when the socket has room again."""
        text = message.model_dump_json()
        if len(text) > MAX_MESSAGE_BYTES // 2 and len(text.encode()) > MAX_MESSAGE_BYTES:
            _log.error("a message of %d characters is too long for the panel, and is dropped", len(text))
            return
        await socket.send(text)

    def _closed(self, closed: ConnectionClosed) -> int:
        code = closed.rcvd.code if closed.rcvd is not None else 0
        try:
            self._say(WHY[Close(code)])
        except ValueError:
            reason = closed.rcvd.reason if closed.rcvd is not None else "without a word"
            self._say(f"the panel ended the connection ({code or 'lost'}{f', {reason}' if reason else ''})")
        return code

    def _say(self, trouble: str) -> None:
        """Once, not at every attempt."""
        now = self._clock()
        if trouble != self._trouble or now >= self._trouble_at + SAID_AGAIN_S:
            self._trouble, self._trouble_at = trouble, now
            _log.warning("%s", trouble)


class _Connection(ClientConnection):
    """Looks at the panel's certificate before the identity is sent."""

    def __init__(self, address: PanelAddress, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._address = address

    async def handshake(self, *args: Any, **named: Any) -> None:
        if self._address.fingerprint:
            tls = self.transport.get_extra_info("ssl_object")
            self._address.check(tls.getpeercert(binary_form=True) if tls is not None else None)
        await super().handshake(*args, **named)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"cannot be trusted: {tls_advice(error)}"
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in (401, 403):
            return f"refuses this node's identity (HTTP {status}). Is it the panel that this node joined?"
        if status == 404:
            return "has no place for agents (HTTP 404). Is that the address of the panel?"
        return f"answers HTTP {status}"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, OSError):
        return f"cannot be reached: {error.strerror or error}"
    return f"does not answer as a panel does: {error}"
