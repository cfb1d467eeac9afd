"""Which parts run."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from xrevsite.serving import parts, systemd
from xrevsite.serving.valkey import NotOurs, make_folder


@pytest.mark.parametrize(("only", "without", "chosen"), [
    ([], [], parts.ALL),
    (["web"], [], ("web",)),
    (["celery,beat"], [], ("celery", "beat")),
    (["beat", "web"], ["beat"], ("web",)),
    ([], ["agent", "valkey"], ("web", "celery", "beat")),
])
def test_parts_are_chosen_by_name_and_keep_their_order(only: list[str], without: list[str], chosen: tuple[str, ...]) -> None:
    assert parts.choose(only, without) == chosen


def test_a_part_that_is_none_is_named() -> None:
    with pytest.raises(parts.UnknownPart, match="redis is no part; there are valkey, web, celery, beat, agent"):
        parts.choose(["redis"], [])


def test_the_folder_of_the_socket_is_nobody_elses(tmp_path: Path) -> None:
    make_folder(tmp_path / "own" / "valkey.sock")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(NotOurs):
        make_folder(tmp_path / "open" / "valkey.sock")
    (tmp_path / "link").symlink_to(tmp_path / "own")
    with pytest.raises(NotOurs):
        make_folder(tmp_path / "link" / "valkey.sock")


def test_a_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(os.fspath(path))
        monkeypatch.setenv("NOTIFY_SOCKET", os.fspath(path))
        systemd.notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    systemd.notify("STOPPING=1")        # it is gone; that is no reason to fail
