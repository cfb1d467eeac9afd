"""From an empty panel to a service that is reached: a real V2Ray runs the file that the wizard hands out."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Panel, log_in
from tests.conftest import require_program
from tests.support.processes import LOCALHOST, Processes, free_port, until


def fetched(curl: str, port: int, name: str) -> bytes:
    """What curl gets from the public entry; empty where nothing answers."""
    address = f"http://{LOCALHOST}:{port}/{name}"
    return subprocess.run([curl, "-sf", "--max-time", "5", address], capture_output=True, check=False).stdout


def test_from_empty_to_a_request_through_the_tunnel(page: Page, new_panel: Panel, tmp_path: Path) -> None:
    panel = new_panel
    panel.add_people()
    v2ray, curl = require_program("v2ray"), require_program("curl")
    public, carrier, service = free_port(), free_port(), free_port()
    served = tmp_path / "served"
    served.mkdir()
    (served / "photo").write_bytes(random.Random(1).randbytes(1 << 20))
    processes = Processes(tmp_path)
    try:
        processes.start("service", [sys.executable, "-m", "http.server", str(service), "--bind", LOCALHOST, "-d", str(served)])
        log_in(page, panel, "olaf")
        page.click("a.x-main:has-text('Expose a service')")
        page.fill("#id_name", "Home NAS")
        page.fill("#id_target_port", str(service))
        page.fill("#id_public_port", str(public))
        page.fill("#id_portal_host", LOCALHOST)
        page.select_option("#id_far", "core:v2ray-4")
        page.click("text=Advanced")
        page.fill("#id_carrier_port", str(carrier))
        page.fill("#id_public_listen", LOCALHOST)
        page.click("button[name=review]")
        expect(page.locator("body")).to_contain_text("Up to 32 small letters")
        page.fill("#id_name", "home-nas")
        expect(page.locator("[data-sketch=name]")).to_have_text("home-nas")
        page.click("button[name=review]")
        expect(page.locator("body")).to_contain_text("inbound home-nas-entry is new")
        assert panel.python("from dashboard.models import Instance; print(Instance.objects.count())").strip() == "0"
        page.click("button[name=confirm]")
        expect(page.locator("body")).to_contain_text("home-nas is made and published")
        with page.expect_download() as waiting:
            page.click("a[download]:has-text('Download home-nas.json')")
        far = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(far)

        published = "from dashboard.models import Revision; print(Revision.objects.get().document)"
        near = tmp_path / "near.json"
        near.write_text(panel.python(published))
        processes.start("portal", [sys.executable, "-m", "proxycore", "run", str(near)]).await_port(carrier)
        processes.start("v2ray", [v2ray, "-config", str(far)])
        until("the service answers", lambda: fetched(curl, public, "") != b"", 15)
        assert fetched(curl, public, "photo") == (served / "photo").read_bytes()
    finally:
        processes.end_all()
        for name, log in processes.logs():
            print(name, log)  # noqa: T201 - shown when the test fails

    secret = json.loads(far.read_text())["outbounds"][1]["settings"]["vnext"][0]["users"][0]["id"]
    expect(page.locator("#far-file")).to_contain_text(secret)
    address = page.url
    page.context.clear_cookies()
    log_in(page, panel, "vera")
    page.goto(address)
    expect(page.locator("#far-file")).to_contain_text("••••")
    assert secret not in page.content()
