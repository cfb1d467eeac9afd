"""What surrounds a worker: the event loop, signals, the socket, the exit code."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import Final

from proxycore import logs
from proxycore.cli import DEFAULT_DRAIN_S
from proxycore.event_loop import new_event_loop, raise_open_files_limit
from proxycore.process import EXIT_NOT_STARTED
from proxycore.worker.door import AgentConnection, bind, mark_of, unbind
from proxycore.worker.worker import Worker

FAREWELL_S: Final = 2.0
"""How long the last words to the agent may take."""


def run_worker(path: str, *, as_json: bool, orphan_s: float) -> int:
    """Serve the socket at `path` until stopped; the exit code."""
    raise_open_files_limit()
    gc.disable()        # nearly all that a start makes stays; `settle` ends this when the first document runs
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(path, as_json=as_json, orphan_s=orphan_s))


async def _serve(path: str, *, as_json: bool, orphan_s: float) -> int:
    loop = asyncio.get_running_loop()
    try:
        sock = bind(path)
        mark = mark_of(path)
    except OSError as error:
        sys.stderr.write(f"cannot listen on {path}: {error.strerror or error}\n")
        return EXIT_NOT_STARTED
    connections: set[AgentConnection] = set()
    try:
        worker = Worker(loop, orphan_s=orphan_s, as_json=as_json)
        logs.install(worker.lines, logs.LEVELS["info"])
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop, DEFAULT_DRAIN_S)
        server = await loop.create_unix_server(lambda: _kept(AgentConnection(worker), connections), sock=sock)
        code = await worker.run()
        server.close()
        for connection in connections:
            connection.close()
        end = loop.time() + FAREWELL_S
        while any(not one.is_closed for one in connections) and loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in connections:
            connection.abort()
        return code
    finally:
        unbind(path, mark)


def _kept(connection: AgentConnection, connections: set[AgentConnection]) -> AgentConnection:
    connections -= {one for one in connections if one.is_closed}
    connections.add(connection)
    return connection
