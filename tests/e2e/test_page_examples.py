"""Every document of the documentation runs as it stands there, but for ports, files and certificates of this host."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from proxycore.document.jsonc import parse
from tests.docs.test_examples import Block, blocks
from tests.support.certificates import pair
from tests.support.processes import LOCALHOST, free_port
from tests.support.running import running


def for_this_host(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same with free ports, an unix socket in `folder` and a certificate that is there."""
    for inbound in document.get("inbounds", []):
        listen = str(inbound.get("listen", ""))
        if listen.startswith("/"):
            inbound["listen"] = f"{folder}/web.sock{listen[listen.find(','):] if ',' in listen else ''}"
        elif "port" in inbound:
            inbound["listen"] = LOCALHOST
            ports = {old: str(free_port()) for old in re.findall(r"\d+", str(inbound["port"]))}
            inbound["port"] = re.sub(r"\d+", lambda found, ports=ports: ports[found[0]], str(inbound["port"]))
            settings = inbound.get("settings", {})
            if "portMap" in settings:
                settings["portMap"] = {ports[old]: target for old, target in settings["portMap"].items()}
        tls = inbound.get("streamSettings", {}).get("tlsSettings", {})
        if "certificates" in tls:
            tls["certificates"] = [pair("www.example.org").entry]
    return document


def listening(document: dict[str, Any]) -> list[str | int]:
    """Unix sockets, and ports for TCP."""
    found: list[str | int] = []
    for inbound in document.get("inbounds", []):
        listen = str(inbound.get("listen", ""))
        if listen.startswith("/"):
            found.append(listen.partition(",")[0])
        elif "tcp" in str(inbound.get("settings", {}).get("network", "tcp")):
            found += map(int, re.findall(r"\d+", str(inbound["port"])))
    return found


@pytest.mark.parametrize("block", blocks(), ids=lambda block: f"{block.page} {block.number}")
async def test_a_document_of_the_documentation_runs(block: Block, tmp_path: Path) -> None:
    value: Any = parse(block.text).value
    document = for_this_host(json.loads(json.dumps(value)), tmp_path) | {"log": {"access": "none"}}
    async with running(document) as instance:
        for where in listening(document):
            with socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET) as sock:
                sock.connect(where if isinstance(where, str) else (LOCALHOST, where))
        assert instance.loaded.warnings == [] or all(
            "there is no outbound" in warning.message for warning in instance.loaded.warnings)
