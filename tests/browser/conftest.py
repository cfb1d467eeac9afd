"""A real panel in its own process with its own database, and a real headless Chromium that looks at it.

A page with an error on its console fails its test.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from tests.conftest import require_program
from tests.support.database import environment, put_database
from tests.support.processes import ROOT, accepts, free_port, until

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 20_000            # a test that is about how soon something is seen says so itself
PASSWORD = "correct horse battery"
ATTEMPTS = 3
NO_FAULTS = ("responded with a status of 4", "/ws/live/' failed")
"""A form that is refused, and a page that outlives its panel."""

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Panel:
    """`link`: the set-up link that was printed."""

    url: str
    var: Path
    link: str

    def manage(self, *arguments: str, given: str = "") -> str:
        """What a command of this panel says. Fails the test if it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment(self.var), input=given, capture_output=True,
            text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "-c", code)

    def add_people(self, more: str = "") -> None:
        """Ada, who administers it, Olaf, who operates, and Vera, who looks; `more` is run after that."""
        self.python(f"""
from django.contrib.auth.models import Group, User
User.objects.create_superuser("ada", password={PASSWORD!r})
for name, group in (("olaf", "operator"), ("vera", "viewer")):
    User.objects.create_user(name, password={PASSWORD!r}, is_staff=True).groups.add(Group.objects.get(name=group))
{more}""")


@contextmanager
def running_panel(folder: Path, *, parts: str = "web") -> Iterator[Panel]:
    """One that nobody has set up, with its data in `folder`. `parts`: of `manage.py serve`; "": all of them."""
    var = folder / "var"
    put_database(var)
    with (folder / "panel.log").open("w+") as log:
        server, port = _started(var, log, parts)
        try:
            link = until("the panel prints its link", partial(_link, folder / "panel.log"), 40)
            yield Panel(f"http://127.0.0.1:{port}", var, link)
        finally:
            server.terminate()
            server.wait(30)
            log.seek(0)
            print(log.read()[-8000:])  # noqa: T201 - shown when a test fails


def _link(log: Path) -> str:
    found = re.findall(r"http://\S+/setup/\S+", log.read_text())
    return found[-1] if found else ""


def _is_settled(server: subprocess.Popen[bytes], port: int) -> bool:
    return server.poll() is not None or accepts(port)


def _started(var: Path, log: IO[str], parts: str) -> tuple[subprocess.Popen[bytes], int]:
    """A panel that listens, and its port. Another one is tried if somebody took it between its choice and its use."""
    for _ in range(ATTEMPTS):
        port = free_port()
        command = [sys.executable, "manage.py", "serve", "--listen", f"127.0.0.1:{port}"]
        command += ["--only", parts] if parts else []
        server = subprocess.Popen(command, cwd=ROOT, env=environment(var), stdout=log, stderr=subprocess.STDOUT)
        until("the panel listens", partial(_is_settled, server, port), 40)
        if server.poll() is None:
            return server, port
    raise AssertionError("the panel does not start; its log says why")


@pytest.fixture
def new_panel(tmp_path: Path) -> Iterator[Panel]:
    """One that nobody has set up."""
    with running_panel(tmp_path) as panel:
        yield panel


@pytest.fixture(scope="session")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """With Ada, who administers it, Olaf, who operates, and Vera, who looks. What a test makes in it has a name of its own."""
    with running_panel(tmp_path_factory.mktemp("panel")) as panel:
        panel.add_people()
        yield panel


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module only: Playwright keeps an event loop running, beside which no other can run."""
    path = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An empty tab of a new person, 1280 wide, who wants nothing to move: to paint what moves takes most of a processor."""
    if "new_panel" in request.fixturenames:
        request.getfixturevalue("new_panel")        # it ends after the tab, which would miss it
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(words in message.text for words in NO_FAULTS):
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


class Held:
    """Files of a page that do not come before `release`."""

    def __init__(self, page: Page, address: str) -> None:
        self._routes: list[Route] = []
        page.route(address, self._hold)

    def _hold(self, route: Route) -> None:
        self._routes.append(route)

    def release(self) -> None:
        assert self._routes, "they are asked for"
        for route in self._routes:
            route.continue_()


_cookies: dict[tuple[str, str], Any] = {}


def log_in(page: Page, panel: Panel, name: str, password: str = PASSWORD) -> None:
    """By the form the first time; later tabs of the same person have the session that this gave."""
    if known := _cookies.get((panel.url, name)):
        page.context.add_cookies(known)
        page.goto(f"{panel.url}/admin/")
    else:
        page.goto(f"{panel.url}/admin/login/?next=/admin/")
        page.fill("#id_username", name)
        page.fill("#id_password", password)
        page.click("#login-form button[type=submit]")
        page.wait_for_url(f"{panel.url}/admin/")
        _cookies[panel.url, name] = page.context.cookies(panel.url)
