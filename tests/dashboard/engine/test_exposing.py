"""What the wizard hands out is accepted by the core that it is for."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.engine.exposing import CORES, Service, expose, new_document
from dashboard.engine.identity import self_signed
from proxycore.api import check_text, lint

NOW = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)
IDENTITY = self_signed("home.xrev.internal", NOW)
SERVICE = Service(
    name="home",
    target_host="192.168.1.10",
    target_port=80,
    networks=("tcp",),
    public_listen="",
    public_port=8080,
    portal_host="portal.example.net",
    carrier_port=1024,
    carrier="vmess",
    core="xrev",
    user_id="27848739-7e62-4138-9fd3-098a63964b6b",
)
KINDS = [(core, carrier) for core, facts in CORES.items() for carrier in facts.carriers]


def service(core: str, carrier: str) -> Service:
    made = replace(SERVICE, core=core, carrier=carrier)  # type: ignore[arg-type]
    return replace(made, identity=IDENTITY) if carrier == "vless" else made


@pytest.mark.parametrize(("core", "carrier"), KINDS)
def test_both_sides_have_no_error_for_their_core(core: str, carrier: str) -> None:
    exposed = expose(service(core, carrier))
    near, far = json.dumps(new_document(exposed)), json.dumps(exposed.far)
    assert check_text(near, "near") == []
    assert [finding for finding in lint([("near", near)]) if finding.severity == "error"] == []
    assert [finding for finding in lint([("far", far)], CORES[core].lint_name) if finding.severity == "error"] == []
    assert [finding for finding in lint([("near", near), ("far", far)]) if finding.severity == "error"] == []


@pytest.mark.parametrize("carrier", ["vmess", "vless"])
def test_v2ray_accepts_its_file(carrier: str, require: Callable[[str], str], tmp_path: Path) -> None:
    file = tmp_path / "far.json"
    file.write_text(json.dumps(expose(service("v2ray-4", carrier)).far))
    tested = subprocess.run([require("v2ray"), "-test", "-config", str(file)], capture_output=True, text=True, check=False)
    assert "Configuration OK" in tested.stdout
    assert tested.returncode == 0


def test_the_far_side_reaches_the_service_and_nothing_else() -> None:
    far = expose(replace(SERVICE, target_host="2001:db8::1")).far
    assert far["outbounds"][0] == {"tag": "to-service", "protocol": "freedom", "settings": {"redirect": "[2001:db8::1]:80"}}
    newest = expose(service("xray", "vless")).far
    assert newest["outbounds"][0]["settings"]["finalRules"] == [{"action": "allow", "network": "tcp", "port": "80"}]


def test_what_belongs_to_no_tunnel_ends() -> None:
    assert new_document(expose(SERVICE))["outbounds"] == [{"tag": "block", "protocol": "blackhole"}]


def test_vless_without_a_certificate_and_vmess_for_the_newest_xray_are_refused() -> None:
    with pytest.raises(ValueError, match="VLESS does not encrypt"):
        expose(replace(SERVICE, carrier="vless"))
    with pytest.raises(ValueError, match="newer keeps tunnels over vless only"):
        expose(replace(SERVICE, core="xray"))


def test_secrets_are_not_in_what_is_printed_of_it() -> None:
    shown = repr(replace(SERVICE, identity=IDENTITY))
    assert SERVICE.user_id not in shown
    assert "PRIVATE KEY" not in shown
