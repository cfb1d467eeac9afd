"""The pages of entries: a form and its JSON in step, rules put in order, why a rule decides, and what a viewer gets to see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Held, Panel, log_in, running_panel

ALICE = "5783a3e7-e373-51cd-8642-c83782b807c5"
PASSWORD_OF_FAR = "kept-by-the-far-end"
SAVE = "form.x-entry button.x-main"
EDGE: dict[str, Any] = {
    "inbounds": [
        {"tag": "web", "port": 8443, "protocol": "vless", "x-mine": {"b": 1, "a": 2},
         "settings": {"clients": [{"id": ALICE, "email": "alice"}], "decryption": "none"}},
        {"tag": "lan", "listen": "127.0.0.1", "port": 1080, "protocol": "socks", "settings": {"auth": "noauth"}},
    ],
    "outbounds": [
        {"tag": "direct", "protocol": "freedom"},
        {"tag": "far", "protocol": "socks", "settings": {"servers": [
            {"address": "far.example", "port": 1080, "users": [{"user": "edge", "pass": PASSWORD_OF_FAR}]}]}},
    ],
    "routing": {"rules": [
        {"type": "field", "ruleTag": "from-lan", "inboundTag": ["lan"], "outboundTag": "far"},
        {"type": "field", "ruleTag": "mail", "port": "25,465", "outboundTag": "far"},
        {"type": "field", "ruleTag": "home", "domain": ["domain:home.example"], "outboundTag": "direct"},
    ]},
}  # fmt: skip


SEED = f"""
import json
from dashboard.models import Node
from dashboard.services.importing import import_new
from dashboard.services.publishing import publish
for name in ("forms", "faults", "order", "explained", "seen"):
    node = Node.objects.create(name=name)
    instance, _ = import_new(json.dumps({EDGE!r}), name=name, node=node, by=None)
publish(instance, by=None, accept_warnings=True)
"""


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """One for all tests here, with its people, and an instance that holds what EDGE says for each test (1, 2...)."""
    with running_panel(tmp_path_factory.mktemp("panel")) as panel:
        panel.add_people(SEED)
        yield panel


def of_instance(panel: Panel, number: int) -> str:
    return f"{panel.url}/admin/dashboard/instance/{number}"


def stored(page: Page, edge: str) -> Any:
    """The document of an instance as everybody may download it: its secrets are masked."""
    return page.request.get(f"{edge}/document/?download=1").json()


def names_of_rules(page: Page, edge: str) -> list[str]:
    return [rule["ruleTag"] for rule in stored(page, edge)["routing"]["rules"]]


def test_the_form_and_its_json_are_one_thing_and_only_saving_stores_it(page: Page, panel: Panel) -> None:
    edge = of_instance(panel, 1)
    log_in(page, panel, "olaf")
    page.goto(f"{edge}/change/?tab=inbounds")
    page.click("a:has-text('web')")
    page.fill("[name=port]", "8444")
    page.click("button[value=json]")
    text = page.locator("#id_text")
    shown = json.loads(text.input_value())
    assert list(shown) == ["tag", "port", "protocol", "x-mine", "settings"]
    assert (shown["port"], shown["x-mine"]) == (8444, {"b": 1, "a": 2})

    text.fill(json.dumps({**shown, "listen": "127.0.0.1", "port": 9443}))
    page.click("button[value=form]")
    expect(page.locator("[name=port]")).to_have_value("9443")
    expect(page.locator("[name=listen]")).to_have_value("127.0.0.1")
    assert stored(page, edge)["inbounds"][0]["port"] == 8443

    page.click("button[value=json]")
    text.fill('{"tag": "web",\n "port": }')
    page.click("button[value=form]")
    expect(page.locator("[role=alert]").first).to_contain_text("Line 2, column 10")
    expect(text).to_have_value('{"tag": "web",\n "port": }')
    text.fill(json.dumps({**shown, "listen": "127.0.0.1", "port": 9443}))
    page.click(SAVE)
    expect(page.locator("body")).to_contain_text("Inbound web is saved")
    entry = stored(page, edge)["inbounds"][0]
    assert list(entry) == ["tag", "port", "protocol", "x-mine", "settings", "listen"]
    assert (entry["port"], entry["listen"], entry["x-mine"]) == (9443, "127.0.0.1", {"b": 1, "a": 2})
    assert entry["settings"]["clients"] == [{"id": "••••••••", "email": "alice"}]


def test_what_stands_wrong_in_a_form_is_said_at_its_field_and_in_sight(page: Page, panel: Panel) -> None:
    edge = of_instance(panel, 2)
    log_in(page, panel, "olaf")
    page.goto(f"{edge}/change/?tab=outbounds")
    page.click("a:has-text('far')")
    page.fill("[name$=address]", "")
    page.click(SAVE)
    expect(page.locator("[role=alert]").first).to_contain_text("Not saved")
    expect(page.locator(".x-field:has([name$=address]) .x-error")).to_be_in_viewport()
    assert stored(page, edge)["outbounds"][1]["settings"]["servers"][0]["address"] == "far.example"
    page.check("[name=anyway]")
    page.click(SAVE)
    expect(page.locator("body")).to_contain_text("Outbound far is saved")
    kept = panel.python("from dashboard.models import Outbound; print(Outbound.objects.get(instance=2, tag='far').body)")
    assert json.loads(kept)["settings"]["servers"] == [{"port": 1080, "users": [{"user": "edge", "pass": PASSWORD_OF_FAR}]}]


def test_what_cannot_be_moved_yet_cannot_be_taken_hold_of(page: Page, panel: Panel) -> None:
    log_in(page, panel, "olaf")
    scripts = Held(page, "**/order*.js")
    page.goto(f"{of_instance(panel, 3)}/change/?tab=rules")
    page.click("text=Order, switch, filter")
    page.click("text=Put in order")
    expect(page.locator("#order-save")).to_be_disabled()
    grips, buttons = page.locator("#order .x-grip"), page.locator("#order button")
    expect(grips).to_have_count(3)
    expect(grips.first).to_be_hidden()
    expect(buttons.first).to_be_hidden()
    scripts.release()
    expect(grips.first).to_be_visible()
    buttons.last.click()        # the last rule cannot go further down
    expect(page.locator("#order-save")).to_be_disabled()
    buttons.nth(1).click()
    expect(page.locator("#order-said")).to_have_text("from-lan is number 2 now, not saved yet")


def test_a_rule_that_is_dragged_to_another_place_stays_there(page: Page, panel: Panel) -> None:
    edge = of_instance(panel, 3)
    log_in(page, panel, "olaf")
    page.goto(f"{edge}/change/?tab=rules")
    page.click("text=Order, switch, filter")
    page.click("text=Put in order")
    rows = page.locator("#order li")
    expect(page.locator("#order-save")).to_be_disabled()
    rows.nth(2).locator(".x-grip").drag_to(rows.nth(0), target_position={"x": 30, "y": 3})
    expect(rows.locator("a")).to_have_text(["home", "from-lan", "mail"])
    expect(page.locator("#order-said")).to_have_text("home is number 1 now, not saved yet")
    assert names_of_rules(page, edge) == ["from-lan", "mail", "home"]
    page.click("#order-save")
    expect(page.locator("body")).to_contain_text("The new order is saved")
    expect(rows.locator("a")).to_have_text(["home", "from-lan", "mail"])
    assert names_of_rules(page, edge) == ["home", "from-lan", "mail"]

    page.focus("button[aria-label='Move mail up']")
    page.keyboard.press("Enter")
    expect(page.locator("button[aria-label='Move mail up']")).to_be_focused()
    page.click("#order-save")
    expect(page.locator("body")).to_contain_text("The new order is saved")
    assert names_of_rules(page, edge) == ["home", "mail", "from-lan"]


def test_explain_names_the_rule_that_decides_and_says_why_those_before_it_do_not(page: Page, panel: Panel) -> None:
    edge = of_instance(panel, 4)
    log_in(page, panel, "vera")
    page.goto(f"{edge}/explain/")
    page.fill("#id_host", "nas.home.example")
    page.fill("#id_port", "443")
    page.select_option("#id_inbound", "web")
    page.click("button:has-text('Explain')")
    expect(page.locator(".x-verdict")).to_contain_text("It goes to direct")
    expect(page.locator(".x-verdict a")).to_have_text("home")
    steps = page.locator(".x-list li")
    expect(steps).to_have_count(3)
    for number, (badge, name, reason) in enumerate([
        ("passes", "from-lan", "web"), ("passes", "mail", "443"), ("decides", "home", "domain"),
    ]):  # fmt: skip
        expect(steps.nth(number).locator(".x-badge")).to_have_text(badge)
        expect(steps.nth(number).locator("a")).to_have_text(name)
        expect(steps.nth(number).locator(".x-quiet")).to_contain_text(reason)
    page.fill("#id_port", "25")
    page.click("button:has-text('Explain')")
    expect(page.locator(".x-verdict a")).to_have_text("mail")
    expect(steps).to_have_count(2)


CHANGING = re.compile(
    r"\b(save|delete|add|make|clone|import|publish|discard|roll back|reveal|show secrets|take down|put in order|expose|revoke)\b",
    re.IGNORECASE)  # fmt: skip


def test_a_viewer_finds_no_secret_and_nothing_to_change_with(page: Page, panel: Panel) -> None:
    edge = of_instance(panel, 5)
    admin = f"{panel.url}/admin/dashboard"
    log_in(page, panel, "vera")
    inbound, client, outbound, revision = 9, 5, 10, 1        # what SEED made for this instance, which is the last
    for address in (
        f"{panel.url}/admin/", f"{edge}/change/",
        *(f"{edge}/change/?tab={tab}" for tab in ("inbounds", "outbounds", "balancers")),
        f"{edge}/document/", f"{edge}/rest/", f"{edge}/problems/", f"{edge}/revisions/", f"{edge}/publish/",
        f"{admin}/inbound/{inbound}/change/", f"{admin}/inbound/{inbound}/change/?as=json",
        f"{admin}/credential/{client}/change/", f"{admin}/credential/{client}/change/?as=json&reveal=1",
        f"{admin}/outbound/{outbound}/change/", f"{admin}/outbound/{outbound}/change/?as=json",
        f"{admin}/revision/{revision}/change/", f"{admin}/inbound/", f"{admin}/credential/", f"{admin}/service/",
        f"{admin}/certificate/", f"{admin}/node/",
    ):  # fmt: skip
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        content = page.content()
        assert [secret for secret in (ALICE, PASSWORD_OF_FAR) if secret in content] == [], address
        tools = page.locator("button:visible, a.x-button:visible, input[type=submit]:visible")
        found = [text for text in tools.all_inner_texts() if CHANGING.search(text)]
        assert found == [], address
    page.goto(f"{admin}/outbound/{outbound}/change/")
    expect(page.locator("[name$=address]")).to_be_disabled()
    page.click(".x-switcher >> text=JSON")
    expect(page.locator("#id_text")).to_be_disabled()
    assert json.loads(page.locator("#id_text").input_value())["settings"]["servers"][0]["users"] == [
        {"user": "edge", "pass": "••••••••"}]
