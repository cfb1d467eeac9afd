"""The page to try the API on, with scripts of this host only."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Panel, log_in


def test_the_page_of_the_api_shows_what_there_is(page: Page, panel: Panel) -> None:
    log_in(page, panel, "ada")
    page.goto(f"{panel.url}/api/v1/docs/")
    part = page.locator("#operations-tag-instances")
    expect(part).to_be_visible(timeout=30_000)
    part.click()
    operation = page.locator("#operations-instances-instances_list")
    expect(operation).to_be_visible(timeout=30_000)
    operation.locator("button").first.click()
    expect(operation.locator(".parameters")).to_be_visible(timeout=30_000)
