"""How a node joins: where the token may come from, how the panel is trusted, and what is said when it does not work."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.support.agents_panel import IDENTITY, TOKEN, Panel
from tests.support.certificates import authority, pair
from tests.support.node import AGENT
from tests.support.processes import LOCALHOST, ROOT, Process, Processes, free_port, until

EXIT_NOT_STARTED, EXIT_JOIN_REFUSED = 1, 3


@pytest.fixture
def panel() -> Iterator[Panel]:
    panel = Panel().start()
    yield panel
    panel.stop()


@pytest.fixture
def secure_panel(tmp_path: Path) -> Iterator[Panel]:
    """With a certificate of an authority that the system does not know."""
    mine = pair(LOCALHOST)
    (tmp_path / "panel.pem").write_text(mine.certificate + mine.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "panel.pem")
    panel = Panel(tls=tls).start()
    yield panel
    panel.stop()


def run(state_dir: Path, *arguments: str, given: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """To its end."""
    return subprocess.run(
        [*AGENT, "--state-dir", str(state_dir), *arguments], input=given, capture_output=True, text=True, timeout=30, cwd=ROOT,
        env={**os.environ, **environ}, check=False)


def start(processes: Processes, *arguments: str, name: str = "agent", **environ: str) -> Process:
    command = [*AGENT, "--state-dir", str(processes.folder / "s"), *arguments]
    return processes.start(name, command, {**os.environ, **environ})


def token_file(folder: Path, token: str = TOKEN) -> str:
    path = folder / "token"
    path.write_text(f"{token}\n")
    return str(path)


def test_the_token_from_the_environment(panel: Panel, processes: Processes) -> None:
    agent = start(processes, "--panel", panel.url, XREV_JOIN_TOKEN=TOKEN)
    until("it is connected", lambda: panel.is_connected, 15)
    identity = processes.folder / "s/identity.json"
    assert IDENTITY in identity.read_text()
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    agent.end()
    again = start(processes, name="again")              # neither the token nor the panel's address is needed any more
    until("it is connected again", lambda: len(panel.hellos) == 2, 15)
    again.end()
    assert len(panel.joined) == 1


def test_the_token_from_standard_input(panel: Panel, tmp_path: Path) -> None:
    command = [*AGENT, "--state-dir", str(tmp_path / "s"), "--panel", panel.url, "--token-file", "-"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as agent:
        assert agent.stdin is not None
        agent.stdin.write(TOKEN + "\n")
        agent.stdin.flush()
        try:
            until("it is connected", lambda: panel.is_connected, 15)
        finally:
            agent.terminate()
    assert agent.returncode == 0


def test_it_asks_until_the_panel_is_there(processes: Processes) -> None:
    port = free_port()
    agent = start(processes, "--panel", f"http://{LOCALHOST}:{port}", "--token-file", token_file(processes.folder))
    until("it says so", lambda: "not joined yet: " in agent.log, 15)
    assert "Connection refused" in agent.log
    panel = Panel(port=port).start()
    try:
        until("it is connected", lambda: panel.is_connected, 20)
    finally:
        agent.end()
        panel.stop()


def test_a_busy_panel_is_asked_again(panel: Panel, processes: Processes) -> None:
    panel.join_status = HTTPStatus.SERVICE_UNAVAILABLE
    agent = start(processes, "--panel", panel.url, "--token-file", token_file(processes.folder))
    until("it says so", lambda: "answers 503" in agent.log, 15)
    panel.join_status = HTTPStatus.CREATED
    until("it is connected", lambda: panel.is_connected, 20)


def test_an_agent_that_waits_to_join_stops_when_told(processes: Processes) -> None:
    agent = start(processes, "--panel", f"http://{LOCALHOST}:{free_port()}", "--token-file", token_file(processes.folder))
    until("it asks", lambda: "not joined yet" in agent.log, 15)
    agent.send_signal(15)
    assert agent.wait(20) == 0


def test_a_token_that_is_not_taken(panel: Panel, tmp_path: Path) -> None:
    done = run(tmp_path / "s", "--panel", panel.url, "--token-file", token_file(tmp_path, "xrevjoin_other"))
    assert done.returncode == EXIT_JOIN_REFUSED
    assert done.stderr == "the panel does not take the join token: the join token has expired\n"
    assert not (tmp_path / "s/identity.json").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "--panel: where is the panel?"),
    (("--panel", "panel.example"), "it looks like https://panel.example.com"),
    (("--panel", "http://panel.example"), "say --plain-http-on-the-network"),
    (("--panel", "https://panel.example"), "this node has not joined yet"),
    (("--panel", "https://panel.example", "--token-file", "/no/such/file"), "/no/such/file cannot be read: No such file"),
    (("--panel", "https://panel.example", "--fingerprint", "abc"), "a SHA-256 has 64 hexadecimal digits"),
])
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(tmp_path / "s", *arguments)
    assert done.returncode == EXIT_NOT_STARTED
    (line,) = done.stderr.splitlines()
    assert words in line


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_arguments_that_are_none(tmp_path: Path, seconds: str) -> None:
    done = run(tmp_path / "s", "--drain-s", seconds)
    assert done.returncode == 2
    assert "--drain-s" in done.stderr
    assert not (tmp_path / "s").exists()


def test_something_else_than_a_panel(panel: Panel, tmp_path: Path) -> None:
    done = run(tmp_path / "s", "--panel", f"{panel.url}/elsewhere", "--token-file", token_file(tmp_path))
    assert done.returncode == EXIT_JOIN_REFUSED
    (line,) = done.stderr.splitlines()
    assert "there is no panel at" in line


def test_a_certificate_that_nobody_here_trusts(secure_panel: Panel, processes: Processes) -> None:
    agent = start(processes, "--panel", secure_panel.url, "--token-file", token_file(processes.folder))
    until("it says what to do", lambda: "Pin it with --fingerprint" in agent.log, 15)
    assert secure_panel.joined == []


def test_a_certificate_that_the_system_trusts(secure_panel: Panel, processes: Processes) -> None:
    path = processes.folder / "authority.pem"
    path.write_text(authority().pem)
    start(processes, "--panel", secure_panel.url, "--token-file", token_file(processes.folder), SSL_CERT_FILE=str(path))
    until("it is connected", lambda: secure_panel.is_connected, 15)


def test_a_pinned_certificate(secure_panel: Panel, processes: Processes) -> None:
    agent = start(processes, "--panel", secure_panel.url, "--token-file", token_file(processes.folder),
                  "--fingerprint", pair(LOCALHOST).sha256)
    until("it is connected", lambda: secure_panel.is_connected, 15)
    agent.end()
    start(processes, name="again")                      # the fingerprint is kept with the identity
    until("it is connected again", lambda: len(secure_panel.hellos) == 2, 15)


def test_another_certificate_than_the_pinned_one_hears_nothing(secure_panel: Panel, processes: Processes) -> None:
    agent = start(processes, "--panel", secure_panel.url, "--token-file", token_file(processes.folder),
                  "--fingerprint", "ab" * 32)
    until("it says so", lambda: "the certificate is not the pinned one" in agent.log, 15)
    assert pair(LOCALHOST).sha256 in agent.log
    assert secure_panel.joined == []
    assert "Traceback" not in agent.log
    agent.end()

    joined = start(processes, "--panel", secure_panel.url, "--token-file", token_file(processes.folder),
                   "--fingerprint", pair(LOCALHOST).sha256, name="joined")
    until("it is connected", lambda: secure_panel.is_connected, 15)
    joined.end()
    begun = len(secure_panel.hellos)
    other = start(processes, "--panel", secure_panel.url, "--fingerprint", "ab" * 32, name="other")
    until("the link says so too", lambda: "the certificate is not the pinned one" in other.log, 15)
    assert len(secure_panel.hellos) == begun


def test_an_identity_that_the_panel_does_not_know(panel: Panel, processes: Processes) -> None:
    agent = start(processes, "--panel", panel.url, "--token-file", token_file(processes.folder))
    until("it is connected", lambda: panel.is_connected, 15)
    agent.end()
    path = processes.folder / "s/identity.json"
    path.write_text(path.read_text().replace(IDENTITY, "xrevnode_other"))
    again = start(processes, name="again")
    until("it says so", lambda: "refuses this node's identity (HTTP 403)" in again.log, 15)
    assert again.exit_code is None
    assert "xrevnode_other" not in again.log
