from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dashboard.models import Instance
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node

pytestmark = pytest.mark.django_db

DOCUMENT: dict[str, Any] = {
    "inbounds": [{"tag": "in", "listen": "127.0.0.1", "port": 1080, "protocol": "socks"}],
    "outbounds": [{"tag": "direct", "protocol": "freedom"}, {"tag": "block", "protocol": "blackhole"}],
    "routing": {"rules": [
        {"ruleTag": "web", "domain": ["full:web.example"], "port": "443", "outboundTag": "block"},
        {"ruleTag": "home", "source": ["192.0.2.0/24"], "outboundTag": "block"},
    ]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def edge(db: None) -> Instance:
    return import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)[0]


def ask(*arguments: str) -> str:
    out = io.StringIO()
    call_command("explain", "edge", *arguments, stdout=out)
    return out.getvalue()


def test_the_rule_that_decides_and_those_before_it() -> None:
    said = ask("--inbound", "in", "--to", "web.example:443")
    assert said.splitlines()[0].startswith("  x ")
    assert said.splitlines()[-1].startswith("goes to block: ")
    other = ask("--to", "[2001:db8::1]:80", "--source", "192.0.2.7:5000")
    assert [line[:3] for line in other.splitlines()] == ["  -", "  x", "goe"]
    assert ask("--to", "other.example:443").splitlines()[-1].startswith("goes to direct: ")


def test_programs_can_read_it() -> None:
    told = json.loads(ask("--to", "web.example:443", "--format", "json"))
    assert told["target"] == "block"
    assert told["rules"][0]["matched"] is True


@pytest.mark.parametrize("to", ["web.example", "web.example:0", "web.example:70000", ":80", "2001:db8::1:80", "a:b"])
def test_a_destination_is_a_host_and_a_port(to: str) -> None:
    with pytest.raises(CommandError, match="a host and a port are expected"):
        ask("--to", to)


def test_a_source_that_is_no_address_is_told() -> None:
    with pytest.raises(CommandError, match="source: "):
        ask("--to", "web.example:443", "--source", "nowhere")


def test_an_instance_with_errors_cannot_be_explained(edge: Instance) -> None:
    edge.inbounds.update(body='{"tag": "in", "port": 99999, "protocol": "socks"}')
    with pytest.raises(CommandError, match=r"inbounds\[0\].port: this instance does not run yet"):
        ask("--to", "web.example:443")
