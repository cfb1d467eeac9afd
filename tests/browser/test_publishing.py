"""Publishing with two people at it, going back, and what a viewer may."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, Panel, log_in

ID = "5783a3e7-e373-51cd-8642-c83782b807c5"
EDGE = {
    "inbounds": [{"tag": "web", "listen": "127.0.0.1", "port": 8443, "protocol": "vmess", "settings": {"clients": [{"id": ID}]}}],
    "outbounds": [{"tag": "out", "protocol": "freedom"}],
}


@pytest.fixture
def other_page(browser: Browser) -> Iterator[Page]:
    """The tab of a second person."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


def give(panel: Panel, port: int) -> None:
    """What the instance holds from now on, not published."""
    document = json.loads(json.dumps(EDGE))
    document["inbounds"][0]["port"] = port
    panel.manage("xray_import", "-", "--name", "gate", given=json.dumps(document))


def test_two_people_publish_one_goes_back(page: Page, other_page: Page, panel: Panel) -> None:
    give(panel, 8443)
    log_in(page, panel, "olaf")
    page.click("a:has-text('gate') >> nth=0")
    expect(page.locator(".x-bar")).to_contain_text("gate was never published")
    page.click("text=Review & publish")
    page.fill("#id_comment", "the start")
    page.click("text=Publish as revision 1")
    expect(page.locator("body")).to_contain_text("gate is published as revision 1")
    expect(page.locator(".x-bar")).to_have_count(0)

    give(panel, 9443)
    page.reload()
    expect(page.locator(".x-bar")).to_contain_text("1 change of gate not published")
    page.click("text=Review & publish")
    expect(page.locator(".x-list")).to_contain_text("port of inbound web 8443 -> 9443")

    log_in(other_page, panel, "ada")
    other_page.goto(page.url)
    other_page.click("text=Publish as revision 2")
    expect(other_page.locator("body")).to_contain_text("gate is published as revision 2")
    give(panel, 9444)
    page.click("text=Publish as revision 2")
    expect(page.locator("[role=alert]")).to_contain_text("Somebody else published meanwhile. ada made revision 2")
    expect(page.locator("section[aria-labelledby=theirs]")).to_contain_text("port of inbound web 8443 -> 9443")
    expect(page.locator("section[aria-labelledby=yours]")).to_contain_text("port of inbound web 9443 -> 9444")
    page.click("text=Review it again")
    page.click("text=Publish as revision 3")
    expect(page.locator("body")).to_contain_text("gate is published as revision 3")

    page.click(".x-tabs a:has-text('Revisions')")
    expect(page.locator(".x-table tbody tr")).to_have_count(3)
    page.click("a:has-text('#2')")
    expect(page.locator("section[aria-labelledby=changes]")).to_contain_text("port of inbound web 8443 -> 9443")
    assert ID not in page.content()
    page.select_option("#id_to", "3")
    page.click("button:has-text('Compare')")
    expect(page.locator("section[aria-labelledby=changes]")).to_contain_text("port of inbound web 9444 -> 9443")
    page.click("text=Roll back to it")
    expect(page.locator(".x-list")).to_contain_text("port of inbound web 9444 -> 9443")
    page.click("button:has-text('Roll back to revision 2')")
    expect(page.locator("body")).to_contain_text("gate is back at revision 2, published as revision 4")
    page.click(".x-tabs a:has-text('Inbounds')")
    expect(page.locator(".x-table")).to_contain_text("9443")

    give(panel, 1234)
    page.reload()
    page.click(".x-bar >> text=Discard")
    expect(page.locator(".x-list")).to_contain_text("port of inbound web 1234 -> 9443")
    page.click("text=Discard 1 change")
    expect(page.locator("body")).to_contain_text("gate is what revision 4 says again")
    expect(page.locator(".x-bar")).to_have_count(0)
