"""Log records on their way to an agent."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from proxycore.worker.lines import LINES_PER_MESSAGE, MAX_LINE_CHARS, MAX_LINES, Lines


@pytest.fixture
async def lines() -> Iterator[Lines]:  # type: ignore[misc]
    lines = Lines(asyncio.get_running_loop(), lambda: told.append(1))
    told: list[int] = []
    lines.told = told               # type: ignore[attr-defined]
    yield lines
    lines.close()


def record(text: str, level: int = logging.INFO, name: str = "xrev.bridge") -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, text, (), None)


async def test_a_line_has_its_time_level_and_logger(lines: Lines) -> None:
    lines.handle(record("connected", logging.WARNING))
    ((at, level, text),) = lines.take()
    assert at > 1e9
    assert (level, text) == ("warning", "bridge: connected")
    assert lines.take() == []


async def test_it_is_asked_for_once_for_all_that_wait(lines: Lines) -> None:
    told = lines.told               # type: ignore[attr-defined]
    for number in range(100):
        lines.handle(record(str(number)))
    while not told:
        await asyncio.sleep(0.01)
    assert told == [1]
    assert len(lines.take()) == 100


async def test_a_line_of_another_thread_is_told_in_the_loop(lines: Lines) -> None:
    told = lines.told               # type: ignore[attr-defined]
    thread = threading.Thread(target=lines.handle, args=(record("from a reader"),))
    thread.start()
    thread.join()
    while not told:
        await asyncio.sleep(0.01)
    assert lines.take()[0][2] == "bridge: from a reader"


async def test_more_than_may_wait_are_dropped_and_counted_the_oldest_first(lines: Lines) -> None:
    for number in range(MAX_LINES + 30):
        lines.handle(record(f"line {number}"))
    taken = lines.take()
    assert taken[0][1:] == ("warning", "30 lines were dropped before this one")
    assert taken[1][2] == "bridge: line 30"
    assert len(taken) == LINES_PER_MESSAGE + 1
    assert lines.are_waiting


async def test_long_lines_are_cut_tracebacks_kept_and_addresses_masked(lines: Lines) -> None:
    lines.handle(record("x" * 10_000))
    assert len(lines.take()[0][2]) == MAX_LINE_CHARS
    lines.mask = lambda text: text.replace("192.0.2.7", "***")
    try:
        raise ValueError("from 192.0.2.7")
    except ValueError as error:
        bad = record("it failed", logging.ERROR)
        bad.exc_info = (ValueError, error, error.__traceback__)
    lines.handle(bad)
    text = lines.take()[0][2]
    assert text.startswith("bridge: it failed\nTraceback")
    assert text.endswith("ValueError: from ***")


async def test_a_wrong_format_string_ends_nothing(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    bad = record("%d items")
    bad.args = ("many",)
    lines.handle(bad)
    assert lines.take() == []


async def test_what_the_document_names_gets_them_too(lines: Lines) -> None:
    seen: list[str] = []

    class Beside(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    lines.beside = Beside()
    lines.handle(record("both"))
    assert seen == ["both"]
    assert lines.take()[0][2] == "bridge: both"
