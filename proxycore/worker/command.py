"""`python -m proxycore worker`: what an agent starts. Exit codes: those of `run`, see proxycore/cli.py."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from proxycore.messages.worker import ORPHAN_S
from proxycore.worker.process import run_worker


def main(argv: Sequence[str], prog: str) -> int:
    """Run the command with these arguments; the exit code."""
    parser = argparse.ArgumentParser(prog=prog, description="Run one document for an agent, which speaks to it over a socket.")
    parser.add_argument("--socket", required=True, metavar="PATH", help="where to listen, in a folder that is only its owner's")
    parser.add_argument("--log-json", action="store_true", help="lines of a log file as JSON objects")
    parser.add_argument(
        "--orphan-s", type=float, default=ORPHAN_S, metavar="N", help="stop after N seconds without an agent (%(default)s)")
    arguments = parser.parse_args(argv)
    return run_worker(arguments.socket, as_json=arguments.log_json, orphan_s=arguments.orphan_s)
