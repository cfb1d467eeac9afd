"""The examples in deploy/ are read by the programs that they are for; a panel answers through the web servers in front."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.conftest import require_program
from tests.support.certificates import Authority
from tests.support.panel import Served, served
from tests.support.processes import ROOT, Processes, accepts, free_port, until
from tests.test_architecture import THIRD_PARTY_OF_PROXYCORE

DEPLOY = ROOT / "deploy"
HOST = "panel.example.com"
OWN_VARIABLES = {"HOST", "XREV_HOST", "XREV_UPSTREAM", "XREV_DATABASE_PASSWORD", "XREV_PANEL", "XREV_JOIN_TOKEN_FILE"}


# --- systemd


@pytest.mark.parametrize("unit", ["xrev-panel.service", "xrev-node.service", "xrev-backup.service", "xrev-backup.timer"])
def test_systemd_takes_the_units(unit: str, tmp_path: Path, require: Callable[[str], str]) -> None:
    program = require("systemd-analyze")
    installed = tmp_path / "opt"
    (installed / ".venv" / "bin").mkdir(parents=True)
    shutil.copy("/bin/true", installed / ".venv" / "bin" / "python")
    for path in (DEPLOY / "systemd").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/xrev", str(installed)))
    done = subprocess.run([program, "verify", "--man=no", str(tmp_path / unit)], capture_output=True, text=True, check=False)
    about_ours = [line for line in done.stderr.splitlines() if "xrev" in line or str(tmp_path) in line]
    assert about_ours == []
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", ["panel.env", "node.env"])
def test_variables_of_the_units_are_settings(file: str) -> None:
    text = (DEPLOY / "systemd" / file).read_text()
    names = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    assert names
    assert names <= known_variables()


def known_variables() -> set[str]:
    told = (ROOT / "xrevsite" / "settings.py").read_text().split('"""')[1]
    return set(re.findall(r"\b[A-Z][A-Z_]{3,}\b", told)) | OWN_VARIABLES


# --- containers


def compose_files() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "docker").glob("compose.*.yaml")):
        yield path.name, yaml.safe_load(path.read_text())


def test_compose_files_name_what_there_is() -> None:
    """No Docker here: their files, targets, volumes, secrets and variables are looked at."""
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", dockerfile(), re.MULTILINE))
    files = dict(compose_files())
    assert set(files) == {"compose.panel.yaml", "compose.postgres.yaml", "compose.node.yaml"}
    for content in files.values():
        for service in content["services"].values():
            assert service.get("build", {}).get("target", "panel") in targets
            named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")}
            assert named <= set(content.get("volumes") or {})
            for volume in service.get("volumes", []):
                if volume.startswith("."):
                    assert (DEPLOY / "docker" / volume.split(":")[0]).exists()
            assert set(service.get("secrets", [])) <= set(content.get("secrets", {}))
            if "image" not in service and "build" in service:
                assert set(service["environment"]) <= known_variables()
        assert set(re.findall(r"\$\{([A-Z_]+)", json.dumps(content))) <= OWN_VARIABLES


def dockerfile() -> str:
    return (DEPLOY / "docker" / "Dockerfile").read_text()


def test_the_images_are_made_of_what_there_is_and_do_not_run_as_root() -> None:
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(), re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    for stage in re.split(r"^FROM ", dockerfile(), flags=re.MULTILINE):
        for line in re.findall(r"^(?:ENTRYPOINT|CMD|  CMD) (\[.*\])$", stage, re.MULTILINE):
            assert all(isinstance(part, str) for part in json.loads(line))
        if "ENTRYPOINT" in stage:
            assert "USER xrev" in stage
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", "var", ".venv"} <= set(ignored)


def test_a_node_needs_what_the_data_plane_imports() -> None:
    lines = (ROOT / "requirements-node.txt").read_text().splitlines()
    named = {re.split(r"[~<>=;\s]", line)[0].lower() for line in lines if line and not line.startswith("#")}
    package = {"yaml": "pyyaml", "re2": "google-re2"}       # where the two have different names
    imported = {package.get(name, name) for name in THIRD_PARTY_OF_PROXYCORE - {"proxycore", "pydantic_core"}}
    assert named == imported


# --- web servers in front


@pytest.fixture(scope="module")
def panel() -> Iterator[Served]:
    with served("--without", "agent,celery,beat", HTTPS="1", XREV_PROXIES="1", ALLOWED_HOSTS=HOST) as panel:
        yield panel


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    try:
        yield started
    finally:
        started.end_all()
        for name, log in started.logs():
            print(f"--- {name}\n{log}")         # noqa: T201 - shown when a test fails


def written_certificate(folder: Path) -> Authority:
    authority = Authority()
    pair = authority.issue(HOST)
    (folder / "fullchain.pem").write_text(pair.certificate)
    (folder / "privkey.pem").write_text(pair.key)
    return authority


def check_front(authority: Authority, http_port: int, https_port: int) -> None:
    """Who comes by HTTP is sent on, by HTTPS gets the page, and WebSockets arrive; nobody can claim to come from elsewhere."""
    context = ssl.create_default_context(cadata=authority.pem)
    plain = http.client.HTTPConnection("127.0.0.1", http_port, timeout=30)
    plain.request("GET", "/admin/login/", headers={"Host": HOST})
    answer = plain.getresponse()
    assert answer.status in (301, 308)
    assert answer.headers["Location"].startswith(f"https://{HOST}")
    answer.read()
    plain.close()
    secure = http.client.HTTPSConnection(HOST, https_port, timeout=30, context=context)
    secure.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", https_port)), server_hostname=HOST)
    secure.request("GET", "/admin/login/", headers={"Host": HOST, "X-Forwarded-For": "203.0.113.9"})
    page = secure.getresponse()
    assert page.status == 200
    assert "; Secure" in page.headers["Set-Cookie"]
    page.read()
    secure.close()
    assert asyncio.run(answer_to_stranger(https_port, context)) in (401, 403), "the panel's own no, and not the web server's"


async def answer_to_stranger(port: int, context: ssl.SSLContext) -> int:
    """The status for a WebSocket. (The library's client without asyncio reads and writes TLS in two threads at once, which
    Python cannot before 3.13.)"""
    stranger = {"Authorization": "Bearer none"}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            f"wss://{HOST}/ws/live/", host="127.0.0.1", port=port, ssl=context, additional_headers=stranger, proxy=None):
            pass
    return refused.value.response.status_code


def test_nginx_in_front(panel: Served, processes: Processes, tmp_path: Path) -> None:
    program = require_program("nginx")
    authority = written_certificate(tmp_path)
    http_port, https_port = free_port(), free_port()
    text = (DEPLOY / "nginx" / "xrev.conf").read_text()
    changes = {
        "listen 80;": f"listen 127.0.0.1:{http_port};", "listen 443 ssl": f"listen 127.0.0.1:{https_port} ssl",
        "/etc/letsencrypt/live/panel.example.com": str(tmp_path), "127.0.0.1:8000": f"127.0.0.1:{panel.port}",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    temporary = " ".join(f"{kind}_temp_path {tmp_path};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {temporary}\n{text}\n}}\n")
    command = [program, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    tested = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, check=False)
    assert (tested.returncode, tested.stderr) == (0, "")
    processes.start("nginx", command).await_port(https_port)
    check_front(authority, http_port, https_port)


def test_caddy_in_front(panel: Served, processes: Processes, tmp_path: Path) -> None:
    program = require_program("caddy")
    environment = {**os.environ, "XREV_HOST": HOST, "HOME": str(tmp_path)}
    original = DEPLOY / "caddy" / "Caddyfile"
    command = [program, "validate", "--adapter", "caddyfile", "--config", str(original)]
    tested = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "Valid configuration" in tested.stdout + tested.stderr
    authority = written_certificate(tmp_path)
    http_port, https_port = free_port(), free_port()
    options = f"{{\n\tadmin off\n\thttp_port {http_port}\n\thttps_port {https_port}\n\tauto_https disable_certs\n}}\n"
    text = original.read_text().replace("\tencode", f"\ttls {tmp_path}/fullchain.pem {tmp_path}/privkey.pem\n\tencode")
    (tmp_path / "Caddyfile").write_text(options + text)
    environment["XREV_UPSTREAM"] = f"127.0.0.1:{panel.port}"
    processes.start("caddy", [program, "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")], environment)
    until("Caddy listens", lambda: accepts(https_port) and accepts(http_port), 40)       # it takes one after the other
    check_front(authority, http_port, https_port)


def test_the_panel_answers_probes_on_its_own_port(panel: Served) -> None:
    """By an address that is not in ALLOWED_HOSTS and without TLS, as the container's health check does."""
    assert panel.readiness()["ready"] is True
