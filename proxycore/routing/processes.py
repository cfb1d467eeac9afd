"""Which program of this host a client is: a condition that asks Linux's /proc, and so costs a few milliseconds.

Source: Xray-core app/router/condition.go (ProcessNameMatcher), common/net/find_process_linux.go.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import NamedTuple

from proxycore.destination import HostPort, Network, Request
from proxycore.routing.condition import Condition, some_of

SELF, OWN_PROGRAM = "self/", "xray/"
"""This process; the file that it was started from."""

_PROC = Path("/proc")
_NO_INODE = "0"
"""Of a connection that nobody has any more: it stays for a minute (TIME_WAIT), while its port may serve another."""


class Owner(NamedTuple):
    pid: int
    path: str           # of the program's file


class ProcessCondition(Condition):
    """The client is one of these programs: by name (`curl`), by file (`/usr/bin/curl`) or by folder (`/opt/tools/`)."""

    __slots__ = ("_files", "_folders", "_is_self", "_last", "_names", "entries", "proc")

    def __init__(self, entries: Sequence[str], proc: Path = _PROC) -> None:
        self.entries = tuple(entries)
        self.proc = proc
        read = [sys.executable if entry == OWN_PROGRAM else entry for entry in entries if entry != SELF]
        self._is_self = SELF in entries
        self._folders = tuple(entry for entry in read if entry.endswith("/"))
        self._files = frozenset(entry for entry in read if "/" in entry and not entry.endswith("/"))
        self._names = frozenset(entry.removesuffix(".exe") for entry in read if "/" not in entry)
        self._last: tuple[Request, Owner | None] | None = None      # several rules may ask the same

    def holds(self, request: Request) -> bool:
        owner = self._owner(request)
        return owner is not None and (
            owner.path.rpartition("/")[2] in self._names or owner.path in self._files or owner.path.startswith(self._folders)
            or (self._is_self and owner.pid == os.getpid()))

    def why(self, request: Request) -> str:
        owner = self._owner(request)
        if owner is None:
            return "the client is no program of this host that could be found"
        return f"the client's program {owner.path} {'is' if self.holds(request) else 'is not'} {some_of(list(self.entries))}"

    def _owner(self, request: Request) -> Owner | None:
        if request.source is None:
            return None
        if self._last is None or self._last[0] is not request:
            self._last = request, find_owner(request.destination.network, request.source, request.local, self.proc)
        return self._last[1]


def find_owner(network: Network, source: HostPort, peer: HostPort | None = None, proc: Path = _PROC) -> Owner | None:
    """Who has the socket that is bound to `source`; None: nobody here, or this user may not know.

    A port serves several connections to different peers: the one to `peer` counts, where it is known and there is one.
    """
    inode = _inode_of(network, source, peer, proc)
    return None if inode is None else _owner_of(f"socket:[{inode}]", proc)


def _inode_of(network: Network, source: HostPort, peer: HostPort | None, proc: Path) -> str | None:
    try:
        bound = _places(source, is_datagrams=network == "udp")
        connected = _places(peer, is_datagrams=False) if peer is not None else []
    except ValueError:
        return None             # a unix socket, or no address
    found = None
    for name in (network, f"{network}6"):
        try:
            lines = (proc / "net" / name).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if not any(place in line for place in bound):
                continue        # quicker than to split it: a busy host has tens of thousands
            fields = line.split()
            if len(fields) <= 9 or fields[1] not in bound or fields[9] == _NO_INODE:
                continue
            if fields[2] in connected:
                return fields[9]
            found = found or fields[9]
    return found


def _places(where: HostPort, *, is_datagrams: bool) -> list[str]:
    """How /proc/net writes it. Raises ValueError."""
    return [f"{text}:{where[1]:04X}" for text in _as_kernel(where[0], is_datagrams=is_datagrams)]


def _as_kernel(host: str, *, is_datagrams: bool) -> Iterator[str]:
    """How /proc/net writes an address: words of 32 bits, each in the order of this machine. Raises ValueError."""
    ip = ip_address(host)
    texts = [ip.packed, b"\0" * 10 + b"\xff\xff" + ip.packed] if isinstance(ip, IPv4Address) else [ip.packed]
    if is_datagrams:
        texts += [bytes(4), bytes(16)]          # bound to all addresses
    for packed in texts:
        words = (packed[start : start + 4] for start in range(0, len(packed), 4))
        yield "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _owner_of(link: str, proc: Path) -> Owner | None:
    for process in _listed(proc):
        if not process.name.isdigit():
            continue
        for descriptor in _listed(process / "fd"):
            try:
                if os.readlink(descriptor) == link:
                    return Owner(int(process.name), os.readlink(process / "exe").removesuffix(" (deleted)"))
            except OSError:
                continue        # it has ended, or was closed, meanwhile
    return None


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
