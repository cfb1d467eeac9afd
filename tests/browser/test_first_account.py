from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Panel, log_in


def test_from_the_printed_link_to_the_panel_and_back_in(page: Page, new_panel: Panel) -> None:
    page.goto(f"{new_panel.url}/")
    expect(page).to_have_url(f"{new_panel.url}/admin/login/?next=/admin/")
    page.goto(new_panel.link)
    page.fill("#id_username", "ada")
    page.fill("#id_password1", "short")
    page.fill("#id_password2", "short")
    page.click("text=Create the account")
    expect(page.locator("[role=alert]").first).to_contain_text("too short")
    page.fill("#id_password1", PASSWORD)
    page.fill("#id_password2", PASSWORD)
    page.click("text=Create the account")
    expect(page).to_have_url(f"{new_panel.url}/admin/")
    page.context.clear_cookies()
    page.goto(new_panel.link)
    expect(page.locator("[role=alert]")).to_contain_text("This link was used")
    log_in(page, new_panel, "ada")


def test_a_password_that_is_wrong_is_said(page: Page, panel: Panel) -> None:
    page.goto(f"{panel.url}/admin/login/")
    page.fill("#id_username", "ada")
    page.fill("#id_password", "not this one")
    page.click("#login-form button[type=submit]")
    expect(page.locator("body")).to_contain_text("Please enter the correct username and password")
    log_in(page, panel, "ada")
