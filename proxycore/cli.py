"""The command line of the data plane: `run`, `check` and `lint`. `manage.py runproxy` is the same code as `run`.
`agent` has arguments and exit codes of its own, see proxycore/agent/command.py; so has
`worker`, which an agent starts, see proxycore/worker/command.py.

Exit codes: 0 stopped on request, 1 could not start (a port is taken, say), 2 wrong arguments, 23 the document is
wrong (the code that the Go cores use). Of `lint`: 0 nothing but notes, 1 warnings, 2 wrong arguments, 23 errors.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from proxycore import __version__

if TYPE_CHECKING:
    from proxycore.document.model import LoadedDocument

EXIT_STOPPED: Final = 0
EXIT_BAD_DOCUMENT: Final = 23

DEFAULT_DRAIN_S: Final = 5.0

AGENT: Final = "agent"
WORKER: Final = "worker"

_NO_PLUGINS: Final = ("PYDANTIC_DISABLE_PLUGINS", "__all__")
"""Else pydantic looks through every package that is installed for plugins, which takes a good part of a start."""


def main(argv: Sequence[str], prog: str = "python -m proxycore") -> int:
    """Run the command `argv` (without the program's name); the exit code."""
    os.environ.setdefault(*_NO_PLUGINS)
    if argv and argv[0] == AGENT and not _is_runproxy(prog):
        from proxycore.agent.command import main as agent_main  # no other command needs what it imports

        return agent_main(argv[1:], f"{prog} {AGENT}")
    if argv and argv[0] == WORKER and not _is_runproxy(prog):
        from proxycore.worker.command import main as worker_main  # no other command needs what it imports

        return worker_main(argv[1:], f"{prog} {WORKER}")
    parser = _parser(prog)
    arguments = parser.parse_args(argv)
    if arguments.command == "lint":
        from proxycore.document.lint.command import lint_files

        if not arguments.files and not arguments.confdirs:
            parser.error("lint: give a FILE or a --confdir")
        return lint_files(
            arguments.files, core=arguments.core, form=arguments.format, is_fixing=arguments.fix, confdirs=arguments.confdirs)
    return run(
        [*arguments.files, *arguments.more],
        confdirs=arguments.confdirs,
        only_check=arguments.command == "check" or arguments.check,
        drain_s=arguments.drain_s,
        as_json=arguments.log_json,
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`, also for the management command."""
    _add_file_arguments(parser, "Xray's document in JSON, YAML or TOML; several are merged; - is standard input")
    parser.add_argument(
        "--check", "-test", action="store_true", help="only read the document and say what is wrong with it"
    )
    parser.add_argument(
        "--drain-s",
        type=_seconds,
        default=DEFAULT_DRAIN_S,
        metavar="N",
        help="after SIGTERM, let connections that run go on for up to N seconds (%(default)s); a second signal ends them at once",
    )
    parser.add_argument("--log-json", action="store_true", help="log lines as JSON objects")


def _add_file_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Which files to read; the names with one dash are Xray's."""
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"{what}; without any, config.json and its like are looked for")
    parser.add_argument(
        "-c", "-config", "--config", dest="more", action="append", default=[], metavar="FILE", help="one more FILE"
    )
    parser.add_argument(
        "--confdir", "-confdir", dest="confdirs", action="append", default=[], metavar="DIR",
        help="every document of a folder, sorted by name, after the files",
    )


def run(files: Sequence[str], *, only_check: bool, drain_s: float, as_json: bool, confdirs: Sequence[str] = ()) -> int:
    """Read the document and run it until a signal; the exit code. What is wrong goes to standard error, a line each."""
    gc.disable()        # nearly all that a start makes stays: to look through it again and again is in vain. `settle` is the end
    try:
        return _run(files, only_check=only_check, drain_s=drain_s, as_json=as_json, confdirs=confdirs)
    finally:
        gc.enable()


def _run(files: Sequence[str], *, only_check: bool, drain_s: float, as_json: bool, confdirs: Sequence[str]) -> int:
    document = _load(files, confdirs)
    if document is None:
        return EXIT_BAD_DOCUMENT
    if only_check:
        sys.stdout.write("The document can be run.\n")
        return EXIT_STOPPED
    # Only now: `check` needs no event loop, and a wrong document is told sooner.
    from proxycore.process import run_until_signal

    return run_until_signal(document, drain_s=drain_s, as_json=as_json, read_again=partial(_read_again, files, confdirs))


def _read_again(files: Sequence[str], confdirs: Sequence[str]) -> LoadedDocument:
    """The files are looked for anew: a folder may have others now. Raises: DocumentError."""
    from proxycore.document.files import STDIN, files_to_read
    from proxycore.document.load import DocumentError, load_files
    from proxycore.document.problems import Problem

    found = files_to_read(files, confdirs, os.environ)
    if STDIN in found:
        raise DocumentError([Problem("error", "<stdin>", 0, 0, "", "standard input cannot be read again")])
    return load_files(found)


def _load(files: Sequence[str], confdirs: Sequence[str]) -> LoadedDocument | None:
    from proxycore.document.files import STDIN, files_to_read
    from proxycore.document.load import DocumentError, load_files

    try:
        found = files_to_read(files, confdirs, os.environ)
        if not files and not confdirs:
            shown = ", ".join("standard input" if name == STDIN else name for name in found)
            sys.stderr.write(f"reading {shown}\n")
        document = load_files(found)
    except DocumentError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return None
    for warning in document.warnings:
        sys.stderr.write(f"{warning}\n")
    return document


def _parser(prog: str) -> argparse.ArgumentParser:
    # Under its own name manage.py has one command only, and its help should read so.
    is_runproxy = _is_runproxy(prog)
    parser = argparse.ArgumentParser(prog=prog.removesuffix(" runproxy"), description="Reverse tunnels from Xray documents.")
    parser.add_argument("--version", action="version", version=f"xrev {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|check|lint|agent|worker")
    run_parser = commands.add_parser("run", help="run the tunnels of a document", prog=prog if is_runproxy else f"{prog} run")
    add_run_arguments(run_parser)
    run_parser.add_argument("--version", action="version", version=f"xrev {__version__}")
    check_parser = commands.add_parser("check", help="say what is wrong with a document, and run nothing")
    _add_file_arguments(check_parser, "a document; several are merged; - is standard input")
    check_parser.set_defaults(drain_s=0.0, log_json=False)
    if not is_runproxy:
        _add_lint_arguments(commands.add_parser("lint", help="say what will not work in documents, or is not meant"))
        commands.add_parser(AGENT, help="run what a panel says, on this host", add_help=False)
        commands.add_parser(WORKER, help="run one document for an agent, which starts this", add_help=False)
    return parser


def _is_runproxy(prog: str) -> bool:
    return prog.endswith(" runproxy")


def _add_lint_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="Xray documents, side by side; - is standard input")
    parser.add_argument(
        "--confdir", "-confdir", dest="confdirs", action="append", default=[], metavar="DIR",
        help="one more document: those of a folder, merged as run does it (never changed by --fix)")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="of what is said (%(default)s)")
    parser.add_argument("--for", dest="core", default="", metavar="CORE", help="the core that runs them: xray-26.4.17, say")
    parser.add_argument("--fix", action="store_true", help="mend what can be mended, in the files themselves")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("a number of seconds, 0 or more")
    return value
