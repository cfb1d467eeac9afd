from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from proxycore import logs
from proxycore.destination import Destination, Request

WEB = Destination("tcp", ip_address("127.0.0.1"), 80)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(autouse=True)
def console_again() -> Iterator[None]:
    yield
    for name in ("xrev", "asyncio"):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A reader and a writer; the pipe holds 64 KiB."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def drain(reader: int) -> bytes:
    os.set_blocking(reader, False)
    data = b""
    while True:
        try:
            piece = os.read(reader, 1 << 16)
        except BlockingIOError:
            return data
        if not piece:
            return data
        data += piece


def test_an_accepted_connection_is_one_line_as_xray_writes_it(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    log = logs.open_access_log(str(tmp_path / "access.log"), loop)
    log.accepted(Request(WEB, "external", ("127.0.0.1", 50000), user="ann@example.com"), "portal")
    log.close()
    line = (tmp_path / "access.log").read_text()
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d from 127\.0\.0\.1:50000 accepted tcp:127\.0\.0\.1:80 "
                        r"\[external -> portal\] email: ann@example\.com\n", line)


def test_a_rejected_connection_says_why(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    log = logs.open_access_log(str(tmp_path / "access.log"), loop)
    log.rejected(Request(WEB, "external", ("::1", 50000)), "no carrier")
    log.close()
    assert (tmp_path / "access.log").read_text().endswith("from [::1]:50000 rejected tcp:127.0.0.1:80 [external] no carrier\n")


def test_a_session_without_a_known_source_has_a_dash(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    log = logs.open_access_log(str(tmp_path / "access.log"), loop)
    log.accepted(Request(Destination("udp", "example.com", 53), "bridge"), "out")
    log.close()
    assert " from - accepted udp:example.com:53 [bridge -> out]\n" in (tmp_path / "access.log").read_text()


def test_a_peer_cannot_write_lines_of_its_own(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    log = logs.open_access_log(str(tmp_path / "access.log"), loop)
    log.accepted(Request(Destination("tcp", "a\n2026/01/01 forged\x1b[2J", 1), "in"), "out")
    log.close()
    text = (tmp_path / "access.log").read_text()
    assert text.count("\n") == 1
    assert r"a\n2026/01/01 forged\x1b[2J" in text


def test_lines_are_written_together_after_a_moment(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    path = tmp_path / "access.log"
    log = logs.open_access_log(str(path), loop)
    for port in range(3):
        log.accepted(Request(WEB, "in", ("127.0.0.1", port)), "out")
    assert path.read_text() == ""
    loop.run_until_complete(asyncio.sleep(logs.FLUSH_S + 0.05))
    assert path.read_text().count("\n") == 3
    log.close()


def test_a_burst_beyond_the_bound_is_counted(
    tmp_path: Path, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_WAITING_LINES", 2)
    log = logs.open_access_log(str(tmp_path / "access.log"), loop)
    for port in range(5):
        log.accepted(Request(WEB, "in", ("127.0.0.1", port)), "out")
    log.close()
    lines = (tmp_path / "access.log").read_text().splitlines()
    assert len(lines) == 3
    assert "3 lines dropped: the log could not be written" in lines


def test_none_is_no_access_log(loop: asyncio.AbstractEventLoop) -> None:
    log = logs.open_access_log("none", loop)
    log.accepted(Request(WEB, "in"), "out")
    log.close()
    assert isinstance(log, logs.SilentAccessLog)


def test_a_reader_that_stopped_blocks_nobody_and_learns_what_it_missed(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = logs.Sink(writer)
    line = b"x" * 99 + b"\n"
    for _ in range(40):
        sink.write(line * 1000)                     # 4 MB into a pipe of 64 KiB
    assert sink.has_backlog
    seen = b""
    while sink.has_backlog:
        seen += drain(reader)
        sink.flush()
    seen += drain(reader)
    sink.flush()
    seen += drain(reader)
    [dropped] = re.findall(rb"(\d+) lines dropped", seen)
    assert seen.count(line) + int(dropped) == 40_000
    assert seen.count(line) * 100 <= logs.MAX_BACKLOG_BYTES + (1 << 17)


def test_a_reader_that_left_is_survived(pipe: tuple[int, int]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = logs.Sink(writer, is_owned=True)
    sink.write(b"nobody reads this\n")
    assert not sink.has_backlog
    sink.close()


def test_a_record_is_logfmt_with_its_extras(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    logs.configure("info", str(path))
    logging.getLogger("xrev.portal").warning("carrier %d is gone", 7, extra={"tag": "portal", "age_s": 12.5})
    logging.getLogger("xrev.portal").debug("not wanted")
    [line] = path.read_text().splitlines()
    assert re.fullmatch(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4} level=warning logger=portal "
                        r'message="carrier 7 is gone" tag=portal age_s=12\.5', line)


def test_json_lines_hold_the_same_fields(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    logs.configure("info", str(path), as_json=True)
    logging.getLogger("xrev.portal").info('said "%s"', "a\nb", extra={"tag": "portal"})
    record = json.loads(path.read_text())
    assert record.pop("time")
    assert record == {"level": "info", "logger": "portal", "message": 'said "a\nb"', "tag": "portal"}


def test_a_message_stays_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    logs.configure("info", str(path))
    logging.getLogger("xrev.dial").info("to %s", "a\nlevel=error message=forged")
    assert path.read_text().count("\n") == 1
    assert r'message="to a\nlevel=error message=forged"' in path.read_text()


def test_a_traceback_follows_its_line_indented(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    logs.configure("error", str(path))
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("xrev.net").exception("callback failed")
    first, *rest = path.read_text().splitlines()
    assert first.endswith('message="callback failed"')
    assert rest[-1] == "    ValueError: broken"
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize("arguments", [("none", "{path}"), ("debug", "none")], ids=["level none", "path none"])
def test_none_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, str]) -> None:
    level, path = arguments
    logs.configure(level, path.format(path=tmp_path / "error.log"))
    logging.getLogger("xrev.net").error("unheard")
    assert capfd.readouterr().err == ""
    assert not (tmp_path / "error.log").exists() or (tmp_path / "error.log").read_text() == ""


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        logs.configure("info", str(tmp_path / "no" / "such" / "folder.log"))


@pytest.mark.parametrize(("mask", "expected"), [
    ("quarter", "from 203.*.*.*:5 to [2001::/16]:80 at 20:41:05"),
    ("half", "from 203.0.*.*:5 to [2001:db8::/32]:80 at 20:41:05"),
    ("full", "from [Masked IPv4]:5 to [Masked IPv6]:80 at 20:41:05"),
])
def test_addresses_are_masked_as_asked(mask: str, expected: str) -> None:
    apply = logs.masker(mask)
    assert apply is not None
    assert apply("from 203.0.113.9:5 to [2001:db8::1]:80 at 20:41:05") == expected


def test_nothing_is_masked_unasked() -> None:
    assert logs.masker("") is None
