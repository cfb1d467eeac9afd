"""Two hosts on a network of their own, made of network namespaces: the test can cut what is between them, and move one.

Only `ip` and `nft` as root can make them; elsewhere such tests are skipped (and fail where XREV_REQUIRE_ALL=1 asks for all).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = iter(range(1 << 16))

T = TypeVar("T")


def why_not() -> str:
    """Why networks cannot be made here; "" if they can."""
    missing = [name for name in ("ip", "nft") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} cannot be found"
    name = f"xrev{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"network namespaces cannot be made here: {made.stderr.strip()}"
    run("ip", "netns", "del", name)
    return ""


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Host:
    """One namespace, with its address on the network."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address

    def command(self, *command: str) -> list[str]:
        """`command`, to be run on this host."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str) -> str:
        return run(*self.command(*command))

    def call(self, function: Callable[[], T]) -> T:
        """The answer of `function`, whose sockets are this host's. It runs in a thread that is left there."""
        answers: list[T] = []
        errors: list[BaseException] = []

        def inside() -> None:
            with Path(f"/var/run/netns/{self.name}").open() as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET):
                    errors.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                answers.append(function())
            except BaseException as error:      # noqa: BLE001 - it is raised in the caller's thread
                errors.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return answers[0]

    def drop(self, *rule: str) -> None:
        """Let what matches `rule` of nft vanish, whichever way it goes."""
        self.run("nft", "add table inet xrev")
        for hook in ("input", "output"):
            self.run("nft", f"add chain inet xrev {hook} {{ type filter hook {hook} priority 0 ; }}")
            self.run("nft", f"add rule inet xrev {hook} {' '.join(rule)} drop")

    def heal(self) -> None:
        """Let everything through again."""
        self.run("nft", "flush ruleset")


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """10.99.0.1 and 10.99.0.2, joined by a cable."""
    number = next(_numbers)
    hosts = [Host(f"xrev{os.getpid()}-{number}{letter}", f"10.99.0.{last}") for letter, last in (("a", 1), ("b", 2))]
    try:
        for host in hosts:
            run("ip", "netns", "add", host.name)
            host.run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "cable", "netns", hosts[0].name, "type", "veth", "peer", "name", "cable", "netns", hosts[1].name)
        for host in hosts:
            host.run("ip", "address", "add", f"{host.address}/24", "dev", "cable")
            host.run("ip", "link", "set", "cable", "up")
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True, check=False)
