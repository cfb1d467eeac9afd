"""The rules that keep the parts apart: who may import what, how long a file may be, and what nobody may call.

A rule whose pattern matches no file is itself a failure: it would hold nothing.
"""

from __future__ import annotations

import ast
import fnmatch
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import LONGEST_FIRST

ROOT = Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = ("proxycore", "dashboard", "xrevsite", "bench", "examples", "tests")

MAX_SOURCE_LINES = 600
MAX_TEST_LINES = 800

DATA_PLANE = "proxycore/*.py"          # fnmatch: a * also spans folders
CONTROL_PLANE = "dashboard/*.py"

# Sans-I/O: the clock and randomness are arguments, and nobody there logs.
SANS_IO = ("proxycore/wire/*.py", "proxycore/messages/*.py", "proxycore/*/codec*.py", "proxycore/*_codec.py")
NO_IO = ("asyncio", "socket", "ssl", "selectors", "threading", "uvloop", "time", "datetime", "os", "random", "secrets", "logging")
DJANGO_SIDE = ("django", "channels", "rest_framework", "dashboard", "xrevsite", "celery", "redis", "daphne")
THIRD_PARTY_OF_PROXYCORE = frozenset({
    "uvloop", "cryptography", "pydantic", "pydantic_core", "websockets", "iptocc", "yaml", "re2", "proxycore",
})
PROTOCOL_MAY_IMPORT = (
    "base", "wire", "mux", "net", "transport", "errors", "stream", "destination", "tasks", "protocols.base",
    "routing.addresses", "routing.ports", "document.entries",      # matchers of addresses and ports, which settings may hold
    "routing.domains", "dns", "policy",
)

# The door is proxycore.api, and the messages that panel and agents exchange, which bring nothing along but pydantic. The one
# exception: the runproxy command starts the data plane's own command line.
DOOR = "proxycore.api"
MESSAGES = "proxycore.messages"
DOOR_EXCEPTIONS = {"dashboard/management/commands/runproxy.py": {"proxycore.cli", "proxycore"}}

BANNED_CALLS = frozenset({"create_task", "ensure_future", "open_connection", "start_server"})


class Import(NamedTuple):
    file: str
    line: int
    module: str         # dotted, absolute; `from a import b` is "a.b" as well as "a"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


@cache
def files() -> tuple[str, ...]:
    """Every Python file of the project, relative to its root."""
    found = [path for folder in SOURCE_FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in (*found, ROOT / "manage.py")))


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), file)


def matching(*patterns: str) -> list[str]:
    """The files that match; each pattern must match at least one."""
    found: list[str] = []
    for pattern in patterns:
        matched = fnmatch.filter(files(), pattern)
        assert matched, f"no file matches {pattern}: the rule holds nothing"
        found += matched
    return sorted(set(found))


def imports(file: str) -> Iterator[Import]:
    package = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".").split(".")
    if not file.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            yield Import(file, node.lineno, module)
            yield from (Import(file, node.lineno, f"{module}.{name.name}") for name in node.names)


def is_under(module: str, *tops: str) -> bool:
    return any(module == top or module.startswith(top + ".") for top in tops)


def report(found: list[Import]) -> str:
    return "\n".join(str(one) for one in found)


def test_codecs_do_no_io_and_have_no_clock() -> None:
    bad = [one for file in matching(*SANS_IO) for one in imports(file) if is_under(one.module, *NO_IO)]
    assert not bad, report(bad)


def test_the_data_plane_never_imports_the_django_side() -> None:
    bad = [one for file in matching(DATA_PLANE) for one in imports(file) if is_under(one.module, *DJANGO_SIDE)]
    assert not bad, report(bad)


def test_the_data_plane_needs_few_packages() -> None:
    bad = [
        one
        for file in matching(DATA_PLANE)
        for one in imports(file)
        if (top := one.module.split(".")[0]) not in sys.stdlib_module_names and top not in THIRD_PARTY_OF_PROXYCORE
    ]
    assert not bad, report(bad)


def test_a_protocol_imports_no_other_protocol() -> None:
    bad = []
    for file in matching("proxycore/protocols/*/*.py"):
        own = f"proxycore.protocols.{file.split('/')[2]}"
        bad += [
            one
            for one in imports(file)
            if is_under(one.module, "proxycore.protocols")
            and one.module != "proxycore.protocols"
            and not is_under(one.module, own, "proxycore.protocols.base")
        ]
    assert not bad, report(bad)


def test_a_protocol_imports_only_what_is_below_it() -> None:
    allowed = tuple(f"proxycore.{name}" for name in PROTOCOL_MAY_IMPORT)
    bad = []
    for file in matching("proxycore/protocols/*/*.py"):
        own = f"proxycore.protocols.{file.split('/')[2]}"
        bad += [
            one
            for one in imports(file)
            if is_under(one.module, "proxycore")
            and one.module not in ("proxycore", "proxycore.protocols")
            and not is_under(one.module, own, *allowed)
        ]
    assert not bad, report(bad)


def test_the_control_plane_uses_the_door_only() -> None:
    bad = []
    for file in matching(CONTROL_PLANE):
        exceptions = DOOR_EXCEPTIONS.get(file, set())
        door_lines = {one.line for one in imports(file) if one.module == DOOR}     # `from proxycore import api`
        bad += [
            one
            for one in imports(file)
            if is_under(one.module, "proxycore")
            and not is_under(one.module, DOOR, MESSAGES)
            and not (one.module == "proxycore" and one.line in door_lines)
            and one.module not in exceptions
        ]
    assert not bad, report(bad)


def test_each_exception_to_the_door_is_still_there() -> None:
    for file, modules in DOOR_EXCEPTIONS.items():
        assert modules <= {one.module for one in imports(file)}, f"{file} no longer needs its exception"


def test_tasks_and_streams_are_made_in_one_place_only() -> None:
    bad = [
        f"{file}:{node.lineno} calls {node.func.attr}"
        for file in matching(DATA_PLANE, CONTROL_PLANE, "xrevsite/*.py")
        if file not in ("proxycore/tasks.py", "dashboard/live/tasks.py")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BANNED_CALLS
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common.py"])
def test_no_file_is_named_after_nothing(name: str) -> None:
    assert [file for file in files() if file.rsplit("/", 1)[-1] == name] == []


def test_each_of_the_long_modules_is_still_there() -> None:
    assert [name for name in LONGEST_FIRST if not (ROOT / name).exists()] == []


def test_no_file_is_too_long() -> None:
    long = []
    for file in files():
        lines = (ROOT / file).read_text(encoding="utf-8").count("\n")
        limit = MAX_TEST_LINES if file.startswith("tests/") else MAX_SOURCE_LINES
        if lines > limit:
            long.append(f"{file} has {lines} lines, more than {limit}: look for the seam (role, direction, state)")
    assert not long, "\n".join(long)
