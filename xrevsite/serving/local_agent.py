"""The agent of the panel's own host: it joins like every other, with a token that it finds in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dashboard.choices import Standing
from dashboard.services.instances import local_node
from dashboard.services.joining import make_join_token
from xrevsite.broker import MAX_SOCKET_PATH_BYTES
from xrevsite.serving.keeper import Part

EXIT_REVOKED: Final = 4     # of `python -m proxycore agent`
LONGEST_SOCKET_NAME: Final = "1234567890.sock"
STOP_S: Final = 20.0        # its workers let connections finish first


def folder(var: Path) -> Path:
    return var / "agent"


def part(var: Path, panel_url: str, *, logs_json: bool) -> Part:
    state = folder(var)
    command: Sequence[str] = [
        sys.executable, "-m", "proxycore", "agent", "--panel", panel_url, "--token-file", str(state / "join-token"),
        "--state-dir", str(state), *(["--log-json"] if logs_json else [])]
    return Part("agent", command, stop_s=STOP_S, hears_twice=True, final_codes=frozenset({EXIT_REVOKED}), has_secrets=False)


def prepare(var: Path) -> str:
    """See that it can join: without an identity it gets a token, for one use. Why it may not run; "" where it may."""
    node = local_node()
    if node.state == Standing.REVOKED:
        return "the node of this host was revoked"
    state = folder(var)
    if len(os.fsencode(state / "run" / LONGEST_SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES:
        return f"{state} is too long a name for the sockets in it: give the panel a shorter XREV_VAR"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = state / "identity.json"
    if identity.exists() and node.identity_hash:
        return ""
    identity.unlink(missing_ok=True)        # of another database
    _, text = make_join_token(by=None, node=node, approves=True)
    write_private(state / "join-token", text + "\n")
    return ""


def write_private(path: Path, text: str) -> None:
    """Only its owner ever can read it."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
