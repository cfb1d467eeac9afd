"""What is put together in the panel and exported is accepted by V2Ray, for every protocol that it knows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from dashboard.engine.content import Kind
from dashboard.models import Instance
from dashboard.services.clients import create_client, new_client_body
from dashboard.services.editing import create_entry
from dashboard.services.exporting import export_text
from dashboard.services.instances import create_instance, local_node
from dashboard.services.publishing import publish
from proxycore.api import describe_protocols
from tests.conftest import require_program

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"
TLS = {"streamSettings": {"network": "tcp", "security": "tls", "tlsSettings": {"serverName": "a.example", "alpn": ["h2"]}}}
AT = {"address": "far.example", "port": 443}
INBOUNDS: dict[str, dict[str, Any]] = {
    "dokodemo-door": {"settings": {"address": "127.0.0.1", "port": 80, "network": "tcp,udp"}},
    "http": {"settings": {"timeout": 30}},
    "socks": {"settings": {"auth": "password", "udp": True, "ip": "127.0.0.1"}},
    "vmess": {"streamSettings": {"network": "ws", "wsSettings": {"path": "/in"}}},
    "vless": {"settings": {"decryption": "none"}, "sniffing": {"enabled": True, "destOverride": ["http", "tls"]}},
    "trojan": {"settings": {}},
    "shadowsocks": {"settings": {"method": "aes-256-gcm", "password": "a password", "network": "tcp,udp"}},
}
OUTBOUNDS: dict[str, dict[str, Any]] = {
    "freedom": {"settings": {"domainStrategy": "UseIP", "redirect": "127.0.0.1:80"}},
    "blackhole": {"settings": {"response": {"type": "http"}}},
    "dns": {"settings": {"network": "tcp", "address": "1.1.1.1", "port": 53}},
    "http": {"settings": {"servers": [{**AT, "users": [{"user": "a", "pass": "b"}]}]}},
    "socks": {"settings": {"servers": [{**AT, "users": [{"user": "a", "pass": "b"}]}]}},
    "vmess": {"settings": {"vnext": [{**AT, "users": [{"id": UUID, "security": "auto"}]}]}, "mux": {"enabled": True}, **TLS},
    "vless": {"settings": {"vnext": [{**AT, "users": [{"id": UUID, "encryption": "none"}]}]}, **TLS},
    "trojan": {"settings": {"servers": [{**AT, "password": "p"}]}, **TLS},
    "shadowsocks": {"settings": {"servers": [{**AT, "method": "chacha20-poly1305", "password": "p"}]}},
}
WITH_CLIENTS = {"http", "socks", "vmess", "vless", "trojan"}
NEWER = {"loopback", "mixed"}           # of ours; V2Ray 4.34 has not heard of them


def names(side: str) -> set[str]:
    return {one.name for one in describe_protocols() if getattr(one, side) is not None}


def test_no_protocol_is_forgotten() -> None:
    assert names("inbound") - NEWER <= set(INBOUNDS)
    assert names("outbound") - NEWER <= set(OUTBOUNDS)


@pytest.fixture
def made(ada: User) -> Instance:
    return create_instance(name="made", node=local_node(), by=ada)


def assert_accepted(instance: Instance, folder: Path) -> None:
    file = folder / "exported.json"
    file.write_text(export_text(instance, by=None, masked=False, clients="usable"))
    done = subprocess.run(
        [require_program("v2ray"), "-test", "-config", str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr + file.read_text()


@pytest.mark.django_db
@pytest.mark.parametrize("protocol", sorted(INBOUNDS))
def test_an_inbound(protocol: str, made: Instance, ada: User, tmp_path: Path) -> None:
    body = {"tag": "in", "listen": "127.0.0.1", "port": 10443, "protocol": protocol, **INBOUNDS[protocol]}
    row = create_entry(made, Kind.INBOUND, body, by=ada)
    if protocol in WITH_CLIENTS:
        for _ in range(3):
            create_client(row, new_client_body(row), by=ada)
        create_client(row, {**new_client_body(row), "nonsense": {}}, by=ada, enabled=False)
    create_entry(made, Kind.OUTBOUND, {"tag": "out", "protocol": "freedom"}, by=ada)
    assert_accepted(made, tmp_path)


@pytest.mark.django_db
@pytest.mark.parametrize("protocol", sorted(OUTBOUNDS))
def test_an_outbound(protocol: str, made: Instance, ada: User, tmp_path: Path) -> None:
    create_entry(made, Kind.OUTBOUND, {"tag": "out", "protocol": protocol, **OUTBOUNDS[protocol]}, by=ada)
    assert_accepted(made, tmp_path)


@pytest.mark.django_db
def test_all_of_them_with_a_tunnel_and_rules_once_it_is_published(made: Instance, ada: User, tmp_path: Path) -> None:
    ports = iter(range(10500, 10600))
    for protocol in ("dokodemo-door", "http", "vmess", "vless"):
        row = create_entry(made, Kind.INBOUND, {
            "tag": protocol, "listen": "127.0.0.1", "port": next(ports), "protocol": protocol, **INBOUNDS[protocol]}, by=ada)
        if protocol in WITH_CLIENTS:
            create_client(row, new_client_body(row, "alice"), by=ada)
    for protocol in ("freedom", "blackhole", "vmess", "vless"):
        create_entry(made, Kind.OUTBOUND, {"tag": f"to {protocol}", "protocol": protocol, **OUTBOUNDS[protocol]}, by=ada)
    create_entry(made, Kind.PORTAL, {"tag": "home", "domain": "home.example"}, by=ada)
    create_entry(made, Kind.BALANCER, {"tag": "any", "selector": ["to v"]}, by=ada)
    for rule in (
        {"type": "field", "inboundTag": ["vmess"], "domain": ["full:home.example"], "outboundTag": "home"},
        {"type": "field", "inboundTag": ["dokodemo-door"], "outboundTag": "home"},
        {"type": "field", "user": ["alice"], "port": "80,443,1000-2000", "network": "tcp", "balancerTag": "any"},
        {"type": "field", "ip": ["10.0.0.0/8", "::1/128"], "source": ["192.0.2.0/24"], "outboundTag": "to blackhole"},
    ):
        create_entry(made, Kind.RULE, rule, by=ada)
    assert_accepted(made, tmp_path)
    revision = publish(made, by=ada, accept_warnings=True)
    assert json.loads(export_text(made, by=None, masked=False)) == json.loads(revision.document)
