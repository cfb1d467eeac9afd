"""Unix sockets: names, modes, locks, files that are left over, and dialling."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from pathlib import Path

import pytest

from proxycore.destination import HostPort
from proxycore.errors import ConfigError, DialError
from proxycore.net.dial import Dialer
from proxycore.net.listen import UNIX_ADDRESS, Listener
from proxycore.net.unix import UnixAddress, bind_unix, parse_unix, system_name
from proxycore.stream import Stream
from tests.support.sockets import World, until
from tests.support.streams import RecordingStream

PATH = "inbounds[0].listen"


@pytest.mark.parametrize(("text", "address"), [
    ("/run/a.sock", UnixAddress("/run/a.sock")),
    ("/run/a.sock,0660", UnixAddress("/run/a.sock", 0o660)),
    ("/run/a.sock,666", UnixAddress("/run/a.sock", 0o666)),
    ("@name", UnixAddress("@name")),
    ("@name,0660", UnixAddress("@name,0660")),
    ("@@name", UnixAddress("@@name")),
])
def test_a_name_is_read(text: str, address: UnixAddress) -> None:
    assert parse_unix(text) == address


@pytest.mark.parametrize(("text", "reason"), [
    ("/run/a.sock,888", "no mode of a file"), ("/run/a.sock,", "no mode of a file"), ("/run/a.sock,17777", "no mode of a file"),
    ("/run/a.sock,-1", "no mode of a file"), ("/run/", "names no unix socket"), ("@", "names no unix socket"),
    ("@@", "names no unix socket"), ("/a\0b", "names no unix socket"), ("/" + "a" * 107, "at most 107 bytes; this has 108"),
])
def test_what_names_no_socket_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_unix(text)


def test_abstract_names_are_as_the_system_takes_them() -> None:
    assert system_name("/run/a.sock") == "/run/a.sock"
    assert system_name("@name") == b"\0name"
    assert system_name("@@name") == b"\0name" + bytes(103)


def test_a_file_gets_its_mode_and_a_lock_and_both_go_away(tmp_path: Path) -> None:
    file, lock = tmp_path / "a.sock", tmp_path / "a.sock.lock"
    sock, clean_up = bind_unix(UnixAddress(str(file), 0o640), PATH)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert lock.exists()
    sock.close()
    clean_up()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_left_over_is_replaced(tmp_path: Path) -> None:
    name = str(tmp_path / "a.sock")
    left = socket.socket(socket.AF_UNIX)
    left.bind(name)
    left.close()
    sock, clean_up = bind_unix(UnixAddress(name), PATH)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
    sock.close()
    clean_up()


def test_one_that_somebody_listens_on_is_not(tmp_path: Path) -> None:
    name = str(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(name)
        other.listen()
        with pytest.raises(ConfigError, match=r"inbounds\[0\].listen: .*/a.sock is already taken by another program"):
            bind_unix(UnixAddress(name), PATH)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)
    assert not (tmp_path / "a.sock.lock").exists()


def test_the_lock_of_another_program_keeps_us_off(tmp_path: Path) -> None:
    name = str(tmp_path / "a.sock")
    with open(f"{name}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="already taken by another program"):
            bind_unix(UnixAddress(name), PATH)
    assert Path(f"{name}.lock").exists()
    sock, clean_up = bind_unix(UnixAddress(name), PATH)     # a lock file that nobody holds is nothing
    sock.close()
    clean_up()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.sock"
    file.write_text("precious")
    with pytest.raises(ConfigError, match="which is no socket"):
        bind_unix(UnixAddress(str(file)), PATH)
    assert file.read_text() == "precious"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        bind_unix(UnixAddress(str(tmp_path / "none" / "a.sock")), PATH)


def test_a_file_that_somebody_put_there_since_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.sock"
    sock, clean_up = bind_unix(UnixAddress(str(file)), PATH)
    sock.close()
    os.rename(file, tmp_path / "old.sock")
    file.write_text("new")
    clean_up()
    assert file.read_text() == "new"


@pytest.mark.parametrize("name", ["@xrev-test-{}", "@@xrev-test-{}"])
def test_an_abstract_name_can_be_taken_once(name: str) -> None:
    address = UnixAddress(name.format(os.getpid()))
    sock, clean_up = bind_unix(address, PATH)
    with pytest.raises(ConfigError, match="already taken"):
        bind_unix(address, PATH)
    sock.close()
    clean_up()
    bind_unix(address, PATH)[0].close()


@pytest.mark.parametrize("name", ["{}/a.sock", "@xrev-dial-{}", "@@xrev-dial-{}"])
async def test_a_listener_is_dialled_and_tells_no_addresses(world: World, tmp_path: Path, name: str) -> None:
    address = UnixAddress(name.format(tmp_path))
    accepted: list[tuple[RecordingStream, HostPort, HostPort]] = []

    def accept(stream: Stream, source: HostPort, local: HostPort) -> None:
        neighbour = RecordingStream()
        stream.peer, neighbour.peer = neighbour, stream
        accepted.append((neighbour, source, local))

    sock, clean_up = bind_unix(address, PATH)
    listener = Listener(world.poller, world.wheel, world.census, sock, accept, is_carrier=True, clean_up=clean_up)
    client = RecordingStream()
    out = Dialer(world.poller, world.wheel, world.census, is_carrier=False).dial_unix(address.name)
    out.peer = client
    out.write(b"hello")
    await until(lambda: accepted and accepted[0][0].data == b"hello")
    assert accepted[0][1:] == (UNIX_ADDRESS, UNIX_ADDRESS)
    accepted[0][0].peer.write(b"welcome")
    await until(lambda: client.data == b"welcome")
    out.write_eof()
    await until(lambda: accepted[0][0].eof)
    out.abort(None)
    accepted[0][0].peer.abort(None)
    listener.close()
    listener.close()
    assert list(tmp_path.iterdir()) == []


async def test_where_nobody_listens_the_dial_fails(world: World, tmp_path: Path) -> None:
    client = RecordingStream()
    Dialer(world.poller, world.wheel, world.census, is_carrier=False).dial_unix(str(tmp_path / "none")).peer = client
    await until(lambda: client.aborted)
    assert isinstance(client.error, DialError)
    assert client.error.reason == "No such file or directory"
