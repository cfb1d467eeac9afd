"""`python -m proxycore agent`: its arguments, its exit codes, and what surrounds the agent: token, lock, signals, log."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from proxycore import __version__, logs, tasks
from proxycore.agent.agent import Agent, RingHandler
from proxycore.agent.backoff import Backoff
from proxycore.agent.joining import JoinFailed, JoinRefused, join
from proxycore.agent.link import FIRST_BACKOFF_S, MOST_BACKOFF_S
from proxycore.agent.panel_address import PLAIN_OPTION, PanelAddress
from proxycore.agent.state_dir import Identity, StateDir, default_folder
from proxycore.agent.worker_process import COMMAND
from proxycore.errors import ConfigError
from proxycore.event_loop import new_event_loop, raise_open_files_limit

EXIT_STOPPED: Final = 0
EXIT_NOT_STARTED: Final = 1
EXIT_JOIN_REFUSED: Final = 3
EXIT_REVOKED: Final = 4

TOKEN_VARIABLE: Final = "XREV_JOIN_TOKEN"
MAX_TOKEN_CHARS: Final = 255
DEFAULT_DRAIN_S: Final = 5.0

_log = logging.getLogger("xrev.agent")

EPILOG: Final = f"""
The join token is needed once: from --token-file (- is standard input) or the variable {TOKEN_VARIABLE}.
Exit codes: {EXIT_STOPPED} stopped on request, {EXIT_NOT_STARTED} could not start (the state directory is in use, say),
2 wrong arguments, {EXIT_JOIN_REFUSED} the panel does not take the token, {EXIT_REVOKED} the panel revoked the node.
SIGTERM stops the workers, then the agent; SIGHUP ends the agent only, and the next one takes the workers over.
"""


def main(argv: Sequence[str], prog: str) -> int:
    """The exit code."""
    return run_agent(_parser(prog).parse_args(argv))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog, description="Run what a panel says, on this host.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"xrev {__version__}")
    parser.add_argument("--panel", metavar="URL", default="", help="the panel's address; kept after the node has joined")
    parser.add_argument("--token-file", metavar="FILE", default="", help="where the join token is; - is standard input")
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help="what the agent keeps (~/.local/state/xrev-agent)")
    parser.add_argument(
        "--fingerprint", metavar="SHA256", default="", help="of the panel's certificate, which is then the only trusted one")
    parser.add_argument("--name", default="", help="what the node would like to be called (the name of this host)")
    parser.add_argument(PLAIN_OPTION, dest="may_be_plain", action="store_true",
                        help="speak http:// to a panel on another host: everything is readable on the way")
    parser.add_argument("--drain-s", type=_seconds, default=DEFAULT_DRAIN_S, metavar="N",
                        help="at the end, let connections go on for up to N seconds (%(default)s)")
    parser.add_argument("--worker-command", metavar="COMMAND", default="", type=shlex.split,
                        help="what starts a worker, where it is to be wrapped: --socket PATH is added")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.add_argument("--log-json", action="store_true", help="log lines as JSON objects")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("a number of seconds, 0 or more")
    return value


def run_agent(arguments: argparse.Namespace) -> int:
    """The exit code."""
    logs.configure(arguments.log_level, as_json=arguments.log_json)
    # The variable is for this process, not for its workers.
    token = os.environ.pop(TOKEN_VARIABLE, "")
    state_dir = StateDir((arguments.state_dir or default_folder(dict(os.environ))).absolute())
    try:
        state_dir.open()
        identity = state_dir.read_identity()
        address = _address(arguments, identity)
        if identity is None:
            token = _read_token(arguments.token_file, token)
            state_dir.try_out()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        state_dir.close()
        return EXIT_NOT_STARTED
    raise_open_files_limit()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(_serve(arguments, state_dir, address, identity, token))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_NOT_STARTED
    finally:
        state_dir.close()


class _Signals:
    """What the process was told: to stop, to stop at once, or to leave the workers where they are."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.hurried = asyncio.Event()
        self.is_leaving = False
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._leave)

    def _stop(self) -> None:
        (self.hurried if self.told.is_set() else self.told).set()

    def _leave(self) -> None:
        if not self.told.is_set():
            self.is_leaving = True
            self.told.set()


async def _serve(
    arguments: argparse.Namespace, state_dir: StateDir, address: PanelAddress, identity: Identity | None, token: str
) -> int:
    signals = _Signals()
    told = tasks.spawn("signal", signals.told.wait())
    if identity is None:
        joining = tasks.spawn("join", _join(address, token, arguments.name or socket.gethostname()))
        await asyncio.wait((joining, told), return_when=asyncio.FIRST_COMPLETED)
        if not joining.done():
            joining.cancel()
            return EXIT_STOPPED
        identity = joining.result()
        if identity is None:
            told.cancel()
            return EXIT_JOIN_REFUSED
        state_dir.write_identity(identity)
        _log.info("joined as node %d, %s; the token is not needed any more", identity.node, identity.name)
    elif (str(address), address.fingerprint) != (identity.panel, identity.fingerprint):
        identity = identity.model_copy(update={"panel": str(address), "fingerprint": address.fingerprint})
        state_dir.write_identity(identity)

    try:
        agent = Agent(state_dir, address, identity.identity, drain_s=arguments.drain_s,
                      command=arguments.worker_command or COMMAND)
    except OSError as error:
        told.cancel()
        raise ConfigError("--state-dir", f"{error.filename or state_dir.path} cannot be used: {error.strerror}") from None
    logging.getLogger("xrev").addHandler(RingHandler(agent))
    _log.info("xrev %s: the agent of node %d, %s, for %s", __version__, identity.node, identity.name, address)
    running = tasks.spawn("agent", agent.run())
    await asyncio.wait((running, told), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        told.cancel()
        running.result()
        _log.warning("the panel revoked this node: its workers are stopped, and its identity, documents and figures are removed")
        return EXIT_REVOKED
    running.cancel()
    await asyncio.wait((running,))
    if signals.is_leaving:
        await agent.leave()
        _log.info("the agent ends, its workers go on")
        return EXIT_STOPPED
    _log.info("stopping the workers: connections may go on for %g s", arguments.drain_s)
    stopping = tasks.spawn("stop", agent.stop())
    hurried = tasks.spawn("second signal", signals.hurried.wait())
    await asyncio.wait((stopping, hurried), return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        agent.hurry()
    await stopping
    hurried.cancel()
    _log.info("stopped")
    return EXIT_STOPPED


async def _join(address: PanelAddress, token: str, name: str) -> Identity | None:
    """Ask until the panel answers. None: it said no, and so did we."""
    backoff = Backoff(FIRST_BACKOFF_S, MOST_BACKOFF_S)
    said = ""
    while True:
        try:
            joined = await asyncio.to_thread(join, address, token, name)
        except JoinFailed as error:
            if str(error) != said:
                said = str(error)
                _log.warning("not joined yet: %s", said)
            await asyncio.sleep(backoff.next_s())
            continue
        except JoinRefused as error:
            sys.stderr.write(f"{error}\n")
            return None
        return Identity(identity=joined.identity, node=joined.node, name=joined.name, panel=str(address),
                        fingerprint=address.fingerprint)


def _address(arguments: argparse.Namespace, identity: Identity | None) -> PanelAddress:
    """Raises: ConfigError."""
    if arguments.panel:
        return PanelAddress.parse(arguments.panel, arguments.fingerprint, may_be_plain=arguments.may_be_plain)
    if identity is None:
        raise ConfigError("--panel", "where is the panel? The join command on its Nodes page says it")
    # It was allowed when the node joined.
    return PanelAddress.parse(identity.panel, arguments.fingerprint or identity.fingerprint, may_be_plain=True)


def _read_token(file: str, from_environment: str) -> str:
    """Raises: ConfigError, there is none."""
    if file == "-":
        text = sys.stdin.readline()
    elif file:
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigError("--token-file", f"{file} cannot be read: {reason}") from None
    else:
        text = from_environment
    token = text.strip()
    if not token:
        raise ConfigError("--token-file", f"this node has not joined yet: there is no join token in it or in {TOKEN_VARIABLE}")
    if len(token) > MAX_TOKEN_CHARS or not token.isprintable() or " " in token:
        raise ConfigError("--token-file", "that is no join token")
    return token
