"""Rules that name lists lead connections where another core leads them, with the same files."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import program
from tests.support.dat_files import geoip, geosite
from tests.support.processes import Processes, free_port

SITES = {
    "CN": ["domain:cn.example", "full:www.example.org", "regexp:^r[0-9]+\\.test$", "keyword:tracker"],
    "ADS": ["domain:a.example @ads", "domain:b.example @cn @ads", "domain:c.example @cn"],
}
ADDRESSES = {"XX": ["20.0.0.0/8", "2001:db8::/32"], "YY": ["30.1.0.0/16"], "PRIVATE": ["10.0.0.0/8", "127.0.0.0/8"]}
RULES: list[dict[str, Any]] = [
    {"domain": ["geosite:cn"], "outboundTag": "cn"},
    {"domain": ["geosite:ads@ads@cn"], "outboundTag": "both"},
    {"domain": ["ext:more.dat:ads@ads", "full:own.test"], "outboundTag": "ads"},
    {"ip": ["geoip:xx"], "outboundTag": "xx"},
    {"ip": ["ext:geoip.dat:yy", "geoip:private"], "outboundTag": "yy"},
]
EXPECTED = {
    "cn.example": "cn", "x.y.cn.example": "cn", "acn.example": "default",
    "www.example.org": "cn",
    "a.www.example.org": "default",
    "r12.test": "cn", "r12.test.net": "default", "my-tracker.net": "cn",
    "b.example": "both", "x.b.example": "both", "a.example": "ads", "c.example": "default", "own.test": "ads",
    "20.1.2.3": "xx", "2001:db8::1": "xx", "2001:db9::1": "default", "30.1.255.255": "yy", "30.2.0.0": "default",
    "10.1.1.1": "yy",
}  # fmt: skip


class Named:
    """A listener that tells its name to whoever connects."""

    def __init__(self, name: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._name = name.encode() + b"\n"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.sendall(self._name)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def servers() -> Iterator[dict[str, Named]]:
    names = ("default", *dict.fromkeys(rule["outboundTag"] for rule in RULES))
    found = {name: Named(name) for name in names}
    with ExitStack() as stack:
        for one in found.values():
            stack.callback(one.close)
        yield found


def document(port: int, servers: dict[str, Named], rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "log": {"loglevel": "warning", "access": "none"},
        "inbounds": [{"tag": "in", "listen": "127.0.0.1", "port": port, "protocol": "socks", "settings": {"udp": False}}],
        "outbounds": [
            {"tag": name, "protocol": "freedom", "settings": {"redirect": f"127.0.0.1:{one.port}"}}
            for name, one in servers.items()
        ],
        "routing": {"domainStrategy": "AsIs", "rules": [{"type": "field", **rule} for rule in rules]},
    }


def asked(port: int, host: str) -> str:
    """The name of the server that a connection to `host` gets to."""
    try:
        address = ip_address(host)
        target = (b"\x01" if address.version == 4 else b"\x04") + address.packed
    except ValueError:
        target = b"\x03" + bytes([len(host)]) + host.encode()
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"\x05\x01\x00" + b"\x05\x01\x00" + target + (443).to_bytes(2, "big"))
        data = b""
        while not data.endswith(b"\n") and (more := client.recv(100)):     # the end itself comes late through some cores
            data += more
    return data[2 + 10 :].decode().strip()


def start(processes: Processes, core: str, servers: dict[str, Named], rules: list[dict[str, Any]]) -> int:
    folder: Path = processes.folder
    (folder / "geosite.dat").write_bytes(geosite(SITES))
    (folder / "more.dat").write_bytes(geosite(SITES))
    (folder / "geoip.dat").write_bytes(geoip(ADDRESSES))
    port = free_port()
    path = folder / "lists.json"
    path.write_text(json.dumps(document(port, servers, rules)))
    environ = {**os.environ, "XRAY_LOCATION_ASSET": str(folder), "V2RAY_LOCATION_ASSET": str(folder)}
    processes.start(core, [*program(core), str(path)], environ).await_port(port)
    return port


@pytest.mark.parametrize("core", ["xrev", "v2ray"])
def test_lists_of_domains_and_addresses_decide_alike(processes: Processes, servers: dict[str, Named], core: str) -> None:
    port = start(processes, core, servers, RULES)
    assert {host: asked(port, host) for host in EXPECTED} == EXPECTED
