"""What parts write becomes one log."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from xrevsite.serving.output import MAX_LINE_BYTES, Lines, Output, OutputHandler


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def output(path: Path, *, as_json: bool = False) -> Output:
    return Output(as_json=as_json, fd=os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))


def test_lines_are_cut_however_they_arrive_and_have_a_name(path: Path) -> None:
    lines = Lines(output(path), "web")
    for piece in (b"on", b"e\r\ntw", b"o\n\n", b"rest"):
        lines.feed(piece)
    lines.end()
    assert path.read_text() == "web     one\nweb     two\nweb     rest\n"


def test_a_line_without_an_end_is_not_kept_for_ever(path: Path) -> None:
    lines = Lines(output(path), "web")
    lines.feed(b"x" * (2 * MAX_LINE_BYTES + 5))
    assert len(path.read_text().splitlines()) == 2


def test_what_helps_nobody_is_left_out(path: Path) -> None:
    Lines(output(path), "valkey", (b"overcommit",)).feed(b"WARNING overcommit!\nError: disk\n")
    assert path.read_text() == "valkey  Error: disk\n"


def test_as_json_each_line_is_an_object_with_its_part(path: Path) -> None:
    lines = Lines(output(path, as_json=True), "celery")
    lines.feed(b'{"level": "info", "message": "done"}\nTraceback \xff\n[1]\n' + b"[" * 5000 + b"\n")
    objects = [json.loads(line) for line in path.read_text().splitlines()]
    assert objects[0] == {"part": "celery", "level": "info", "message": "done"}
    assert objects[1] == {"part": "celery", "message": "Traceback \\xff"}
    assert objects[2] == {"part": "celery", "message": "[1]"}
    assert len(objects) == 4


def test_the_supervisors_own_records_are_lines_too(path: Path) -> None:
    handler = OutputHandler(output(path), "serve")
    handler.emit(logging.LogRecord("xrevsite.serving", logging.INFO, "", 0, "web runs as process %d", (7,), None))
    assert path.read_text().startswith("serve   time=")
    assert 'message="web runs as process 7"' in path.read_text()
