from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxycore.agent.state_dir import Identity, StateDir, default_folder
from proxycore.errors import ConfigError

IDENTITY = Identity(identity="xrevnode_x", node=3, name="attic", panel="https://panel.example:443")


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[StateDir]:
    state_dir = StateDir(tmp_path / "s")
    state_dir.open()
    yield state_dir
    state_dir.close()


def test_an_identity_is_kept_for_its_owner_alone(state_dir: StateDir) -> None:
    assert state_dir.read_identity() is None
    state_dir.write_identity(IDENTITY)
    assert state_dir.read_identity() == IDENTITY
    path = state_dir.path / "identity.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state_dir.path.stat().st_mode) == 0o700


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o755)
    state_dir = StateDir(tmp_path / "s")
    state_dir.open()
    assert stat.S_IMODE(state_dir.path.stat().st_mode) == 0o700
    state_dir.close()


def test_a_folder_that_is_everybodys_stays_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigError, match="a folder of its own"):
        StateDir(tmp_path).open()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_where_nothing_can_be_written_is_known_before_a_token_is_used_up(state_dir: StateDir) -> None:
    state_dir.try_out()
    assert {path.name for path in state_dir.path.iterdir()} == {"lock", "documents", "run"}
    (state_dir.path / "tried.new").mkdir()
    with pytest.raises(ConfigError, match="cannot be written to"):
        state_dir.try_out()


def test_one_agent_at_a_time_has_it(state_dir: StateDir) -> None:
    second = StateDir(state_dir.path)
    with pytest.raises(ConfigError, match=f"another agent \\(pid {os.getpid()}\\)"):
        second.open()
    state_dir.close()
    second.open()
    second.close()


def test_an_identity_that_cannot_be_read_is_not_joined_over(state_dir: StateDir) -> None:
    (state_dir.path / "identity.json").write_text("{")
    with pytest.raises(ConfigError, match="Remove it to join anew"):
        state_dir.read_identity()


def test_a_path_too_long_for_a_socket_is_said_before_anything_is_made(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 90)
    with pytest.raises(ConfigError, match="too long"):
        StateDir(path).open()
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Not a directory"):
        StateDir(tmp_path / "file/s").open()


def test_a_revoked_node_keeps_nothing(state_dir: StateDir) -> None:
    state_dir.write_identity(IDENTITY)
    state_dir.is_paused = True
    for path in (state_dir.documents / "1.json", state_dir.spool, state_dir.spool.with_name("traffic.sqlite3-wal")):
        path.write_text("secret")
    state_dir.forget()
    assert [path.name for path in state_dir.path.iterdir()] == ["lock"]


def test_that_a_node_is_paused_is_remembered(state_dir: StateDir) -> None:
    assert not state_dir.is_paused
    state_dir.is_paused = True
    assert StateDir(state_dir.path).is_paused
    state_dir.is_paused = False
    assert not state_dir.is_paused


def test_where_it_is_by_default() -> None:
    assert default_folder({"XDG_STATE_HOME": "/x"}) == Path("/x/xrev-agent")
    assert default_folder({}) == Path.home() / ".local/state/xrev-agent"
