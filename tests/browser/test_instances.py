from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Held, Panel, log_in
from tests.support.processes import ROOT

ID = "5783a3e7-e373-51cd-8642-c83782b807c5"


def test_a_file_that_is_chosen_before_the_page_has_its_scripts_is_read(page: Page, panel: Panel, tmp_path: Path) -> None:
    log_in(page, panel, "olaf")
    (tmp_path / "one.json").write_text('{"inbounds": []}')
    scripts = Held(page, "**/pages*.js")
    page.goto(f"{panel.url}/admin/dashboard/instance/import/", wait_until="commit")
    page.set_input_files("input[type=file]", tmp_path / "one.json")
    expect(page.locator("#id_text")).to_have_value("")
    scripts.release()
    expect(page.locator("#id_text")).to_have_value('{"inbounds": []}')


def test_an_import_with_an_error_then_explain_and_a_viewer(page: Page, panel: Panel, tmp_path: Path) -> None:
    document = (ROOT / "examples" / "portal.json").read_text()
    broken = tmp_path / "broken.json"
    broken.write_text(document.replace('"tag": "portal",', '"tag": "portal",,', 1))
    log_in(page, panel, "olaf")
    page.click("a.x-button:has-text('Import a document')")
    page.fill("#id_name", "edge")
    page.set_input_files("input[type=file]", broken)
    expect(page.locator("#id_text")).to_have_value(broken.read_text())
    page.click("button[name=preview]")
    line = 1 + broken.read_text()[: broken.read_text().index(",,")].count("\n")
    expect(page.locator("[role=alert]").first).to_contain_text(f"line {line}, column")
    expect(page.locator("tr.x-here").first).to_contain_text('"tag"')
    page.fill("#id_text", document)
    page.click("button[name=preview]")
    expect(page.locator("#preview")).to_contain_text("inbound external is new (dokodemo-door, port 8080)")
    page.click("text=Make the instance")
    expect(page.locator("body")).to_contain_text("edge holds the document now")
    expect(page.locator(".x-lane")).to_have_count(4)

    page.click(".x-tabs a:has-text('Explain')")
    page.fill("#id_host", "example.com")
    page.select_option("#id_inbound", "interconn")
    page.click("text=Explain >> nth=-1")
    expect(page.locator(".x-verdict")).to_contain_text("It goes to portal")
    expect(page.locator(".x-list li")).to_have_count(2)
    expect(page.locator(".x-list li").first).to_contain_text("passes")

    page.click(".x-tabs a:has-text('Document')")
    shown = page.url
    page.context.clear_cookies()
    log_in(page, panel, "vera")
    page.goto(shown)
    expect(page.locator("#document")).to_contain_text("••••")
    assert ID not in page.content()
    expect(page.locator("text=Show secrets")).to_have_count(0)
    expect(page.locator(".x-tabs a:has-text('Import')")).to_have_count(0)
