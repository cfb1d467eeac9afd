"""What a start imports: a process that serves one protocol does not wait for the code of all the others."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.support.documents import door
from tests.support.processes import ROOT, free_port

START = """
import asyncio, sys
from proxycore.cli import main
from proxycore.document.load import load_document
from proxycore.process import Instance, new_event_loop

async def start():
    instance = Instance(load_document(sys.argv[1], "document.json"), asyncio.get_running_loop())
    await instance.start()
    instance.stop()

with asyncio.Runner(loop_factory=new_event_loop) as runner:
    runner.run(start())
print(*sys.modules)
"""
SELDOM = {
    "cryptography.x509", "proxycore.document.balancers", "proxycore.document.dns", "proxycore.document.observatory",
    "proxycore.dns.https", "proxycore.document.policy", "proxycore.observatory.probe", "proxycore.protocols.vless.inbound",
    "proxycore.protocols.vmess.settings", "proxycore.sniff.dispatching", "proxycore.transport.tls",
    "proxycore.transport.websocket",
}  # fmt: skip


def imported(document: dict[str, Any]) -> set[str]:
    """The modules that are there once `document` runs."""
    command = [sys.executable, "-c", START, json.dumps(document)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_code_of_what_the_document_does_not_name_is_not_imported() -> None:
    document = {"inbounds": [door("web", free_port(), 80)], "outbounds": [{"tag": "direct", "protocol": "freedom"}]}
    found = imported(document)
    assert found & SELDOM == set()
    assert {"proxycore.protocols.dokodemo.inbound", "proxycore.protocols.freedom.outbound"} <= found


def test_code_of_what_the_document_names_is_imported() -> None:
    server = {"address": "192.0.2.1", "port": 1, "users": [{"id": "5783a3e7-e373-51cd-8642-c83782b807c5", "encryption": "none"}]}
    sniffing = {"enabled": True, "destOverride": ["http"]}
    stream = {"network": "ws", "security": "tls"}
    found = imported({
        "inbounds": [{**door("web", free_port(), 80), "sniffing": sniffing}],
        "outbounds": [
            {"tag": "far", "protocol": "vless", "settings": {"vnext": [server]}, "streamSettings": stream},
            {"tag": "near", "protocol": "freedom"},
        ],
        "dns": {"servers": ["https://192.0.2.1/dns-query"]},
        "policy": {"levels": {"0": {"connIdle": 600}}},
        "observatory": {"subjectSelector": ["far"], "probeInterval": "60s"},
        "routing": {
            "balancers": [{"tag": "b", "selector": ["far"], "strategy": {"type": "leastPing"}}],
            "rules": [{"inboundTag": ["web"], "balancerTag": "b"}],
        },
    })  # fmt: skip
    missing = {"cryptography.x509", "proxycore.protocols.vless.inbound", "proxycore.protocols.vmess.settings"}
    assert SELDOM - found == missing


def test_a_worker_imports_nothing_of_the_panel_and_no_websockets() -> None:
    code = "import sys, proxycore.worker.command; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    tops = {name.partition(".")[0] for name in done.stdout.split()}
    assert tops & {"django", "channels", "dashboard", "xrevsite", "celery", "redis", "websockets"} == set()
