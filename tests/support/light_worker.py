"""A worker that speaks proxycore/messages/worker.py and moves nothing: `python light_worker.py --socket PATH`.

It is for tests of the agent that are about processes, and for many workers at once. Its document is a JSON object that says
what it does:

    portals, bridges    {tag: number of carriers}
    up_after_s          carriers come so much later, as after a change of a tunnel
    outbounds           {tag: bytes per second}: the counters go up by themselves
    users               {e-mail: bytes per second}
    refuse              a sentence: the document cannot be run; `code` is the exit code (23)
    done_after_s        that it runs is said so much later
    die_after_s         it ends with exit code 7, having written `last words`
    hang                it answers nothing any more
    quiet               its state is told before another document is applied, and not by the clock
    log                 a line that is logged five times a second
    print               so many lines are printed at once

Asks are answered with what was asked; `close` closes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import sys
import time
from typing import Any

from proxycore.errors import LinkDown
from proxycore.messages import worker as messages
from proxycore.messages.framing import FrameReader, encode
from proxycore.messages.patch import difference
from proxycore.worker.door import bind

TICK_S = 0.2


class LightWorker:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.since = time.time()
        self.name = ""
        self.sha256 = ""
        self.says: dict[str, Any] = {}
        self.began = 0.0
        self.limits: list[messages.Limit] = []
        self.paused: list[messages.PausedTunnel] = []
        self.agent: Agent | None = None
        self.sent: dict[str, Any] = {}
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(self, code: int) -> None:
        if not self.code.done():
            self.code.set_result(code)

    def run(self, message: messages.Run) -> list[messages.Complaint]:
        says = json.loads(message.document)
        if reason := says.get("refuse"):
            if not self.sha256:
                asyncio.get_running_loop().call_later(0.05, self.end, says.get("code", 23))
            return [messages.Complaint(text=reason, path="refuse", line=1)]
        self.name, self.says, self.limits = message.name, says, list(message.limits)
        self.paused = list(message.paused)
        self.sha256 = hashlib.sha256(message.document.encode()).hexdigest()
        self.began = time.time()
        for number in range(says.get("print", 0)):
            with contextlib.suppress(OSError):
                os.write(1, b"line %d\n" % number)
        return []

    def state(self) -> dict[str, Any]:
        now = time.time()
        is_up = now - self.began >= self.says.get("up_after_s", 0)
        tree: dict[str, Any] = {"inbounds": {}, "outbounds": {}, "lag_ms": 0.1}
        for kind in ("portals", "bridges"):
            tree[kind] = {
                tag: {"carriers": {str(n): {"health": "active"} for n in range(count if is_up else 0)}, "up": 0, "down": 0}
                for tag, count in self.says.get(kind, {}).items()}
        for kind in ("outbounds", "users"):
            tree[kind] = {
                name: {"up": int((now - self.since) * rate), "down": 0} for name, rate in self.says.get(kind, {}).items()}
        return tree

    def tell_state(self) -> None:
        tree = self.state()
        if self.agent is not None and (patch := difference(self.sent, tree)):
            self.agent.send(messages.State(patch=patch))
        self.sent = tree

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self.says.get("hang"):
                time.sleep(3600)
            if self.sha256 and "die_after_s" in self.says and time.time() - self.began >= self.says["die_after_s"]:
                sys.stderr.write("last words\n")
                sys.stderr.flush()
                os._exit(7)
            if self.sha256 and self.agent is not None:
                if not self.says.get("quiet"):
                    self.tell_state()
                if line := self.says.get("log"):
                    self.agent.send(messages.Logged(lines=[(time.time(), "info", line)]))


class Agent(asyncio.Protocol):
    def __init__(self, worker: LightWorker) -> None:
        self.worker = worker
        self.reader = FrameReader()

    def send(self, message: Any) -> None:
        self.transport.write(encode(message))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        worker = self.worker
        if worker.agent is not None:
            worker.agent.transport.abort()
        worker.agent = self
        self.send(messages.Hello(pid=worker.pid, since=worker.since, name=worker.name, document_sha256=worker.sha256))
        if worker.sha256:
            worker.sent = worker.state()
            self.send(messages.State(patch=worker.sent, is_full=True))

    def connection_lost(self, error: Exception | None) -> None:
        if self.worker.agent is self:
            self.worker.agent = None

    def data_received(self, data: bytes) -> None:
        for frame in self.reader.feed(data):
            message = messages.to_worker.validate_json(frame)
            match message:
                case messages.Run():
                    if self.worker.sha256:
                        self.worker.tell_state()
                    done = messages.Done(id=message.id, problems=self.worker.run(message), changes=["all of it"])
                    asyncio.get_running_loop().call_later(json.loads(message.document).get("done_after_s", 0), self.send, done)
                case messages.SetLimits():
                    self.worker.limits, self.worker.paused = list(message.limits), list(message.paused)
                case messages.Ask(what="alive"):
                    self.send(messages.Done(id=message.id, problems=[messages.Complaint(text="what?")]))
                case messages.Ask():
                    self.send(messages.Done(id=message.id, answer={
                        "what": message.what, "arguments": message.arguments,
                        "limits": [one.model_dump() for one in self.worker.limits],
                        "paused": [one.model_dump() for one in self.worker.paused]}))
                case messages.Stop():
                    self.send(messages.State(patch=self.worker.state()))
                    self.transport.close()
                    self.worker.end(0)


async def serve(path: str) -> int:
    loop = asyncio.get_running_loop()
    worker = LightWorker()
    try:
        sock = bind(path)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    server = await loop.create_unix_server(lambda: Agent(worker), sock=sock)
    ticking = asyncio.create_task(worker.tick())
    orphaned_since = time.monotonic()
    while not worker.code.done():
        if worker.agent is not None:
            orphaned_since = time.monotonic()
        elif time.monotonic() - orphaned_since > messages.ORPHAN_S:
            raise LinkDown("no agent came")
        await asyncio.wait((worker.code,), timeout=TICK_S)
    ticking.cancel()
    server.close()
    return worker.code.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    sys.exit(asyncio.run(serve(parser.parse_args().socket)))
