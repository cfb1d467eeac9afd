"""The agent of the panel's own host: it joins like every other, with a token that it finds in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xrevsite.serving.keeper import Part

STOP_S: Final = 20.0        # its workers let connections finish first


def folder(var: Path) -> Path:
    return var / "agent"


def part(var: Path, panel_url: str, environment: dict[str, str]) -> Part:
    state = folder(var)
    command: Sequence[str] = [
        sys.executable, "-m", "proxycore", "agent", "--panel", panel_url, "--token-file", str(state / "join-token"),
        "--state-dir", str(state)]
    return Part("agent", command, environment, stop_s=STOP_S, hears_twice=True)


def prepare(var: Path) -> bool:
    """See that it can join: without an identity it gets a token, for one use. Whether it may run: a revoked node may not."""
    return False


def write_private(path: Path, text: str) -> None:
    """Only its owner ever can read it."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
