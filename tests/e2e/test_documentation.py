"""The two files of Xray's page about the reverse proxy run as they stand there, but for addresses and ports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.proxycore.document.test_documentation import BRIDGE, PORTAL
from tests.support.processes import LOCALHOST, XREV, Process, Processes, free_port, until
from tests.support.target import Target, download_is_whole, is_served


def with_ports(text: str, public_port: int, web_port: int, carrier_port: int) -> str:
    """The page's document with other addresses and ports: 80 is the web server's, or the public one beside `external`."""
    text = text.replace("127.0.0.1:80", f"{LOCALHOST}:{web_port}").replace("IP Address of Portal", LOCALHOST)
    text = text.replace('"port": 1024', f'"port": {carrier_port}')
    text = re.sub(r'("tag": "external",\s*"port": )80\b', rf"\g<1>{public_port}", text)
    return re.sub(r'"port": 80\b', f'"port": {web_port}', text)


def start(processes: Processes, name: str, text: str) -> Process:
    path: Path = processes.folder / f"{name}.json"
    path.write_text(text)
    return processes.start(name, [*XREV, str(path)])


@pytest.mark.parametrize("first", ["bridge", "portal"], ids="the {} starts first".format)
def test_the_documented_files_carry_requests(processes: Processes, target: Target, first: str) -> None:
    public_port, carrier_port = free_port(), free_port()
    texts = {
        "bridge": with_ports(BRIDGE, public_port, target.port, carrier_port),
        "portal": with_ports(PORTAL, public_port, target.port, carrier_port),
    }
    for name in sorted(texts, key=lambda name: name != first):
        start(processes, name, texts[name])
    until("the target answers through the tunnel", lambda: is_served(public_port), 15)
    assert download_is_whole(public_port, 1 << 20)
