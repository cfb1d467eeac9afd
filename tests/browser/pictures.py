"""Makes the pictures of the documentation: `make pictures`, or `python -m tests.browser.pictures [FOLDER]`.

A panel of its own, with a few services and instances, is started, looked at with the browser tests' Chromium, and thrown away.
What runs there is told to its pages by hand (live_feed.py), so that each time it is the same.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS, Panel, log_in, running_panel
from tests.browser.live_feed import Feed
from tests.conftest import require_program
from tests.support.processes import ROOT

FOLDER = ROOT / "docs" / "pictures"
MAX_BYTES = 150 * 1024
DESKTOP, PHONE = (1280, 800), (390, 780)

SEED = """
from django.contrib.auth.models import User
from dashboard.engine.content import Kind
from dashboard.models import Node
from dashboard.services.exposing import Wish, carry_out
from dashboard.services.importing import import_new
from dashboard.services.editing import change_entry, create_entry
from dashboard.services.instances import local_node
from dashboard.services.publishing import publish
ada = User.objects.get(username="ada")
node, cellar = local_node(), Node.objects.create(name="cellar", note="behind NAT")
def wish(name, host, port, public, carrier_port, **more):
    values = dict(networks=("tcp",), node=node, instance=None, portal_host="edge.example.net", carrier="vless")
    values["core"] = "v2ray-4"
    values |= more
    return Wish(name=name, target_host=host, target_port=port, public_port=public, carrier_port=carrier_port, **values)
nas = carry_out(wish("home-nas", "192.168.1.10", 80, 8443, 10250), by=ada)
carry_out(wish("ssh", "127.0.0.1", 22, 2222, 10251, instance=nas.instance, core="xrev"), by=ada)
carry_out(wish("camera", "192.168.1.20", 554, 8554, 10252, core="xrev", far_node=cellar), by=ada)
demo, _ = import_new(open("examples/portal.json").read(), name="demo", node=node, by=ada)
publish(demo, by=ada, comment="the first one", accept_warnings=True)
entry = demo.inbounds.get(tag="external")
change_entry(entry, {**entry.entry, "port": 8081}, by=ada)
direct = create_entry(demo, Kind.OUTBOUND, {"tag": "direct", "protocol": "freedom"}, by=ada)
"""


class Picture(NamedTuple):
    """`ready`: what has to be seen before it is taken. `click`: on what first."""

    name: str
    path: str
    ready: str
    size: tuple[int, int] = DESKTOP
    dark: bool = False
    fill: tuple[tuple[str, str], ...] = ()
    click: str = ""


PICTURES = (
    Picture("front", "/admin/", ".x-maplane.x-is-good", (1280, 950)),
    Picture("front-phone", "/admin/", ".x-maplane.x-is-good", (390, 1200), dark=True),
    Picture("tunnel", "/admin/dashboard/instance/1/tunnel/?kind=portal&tag=home-nas", ".x-vt-row", (1280, 930), dark=True),
    Picture("nodes", "/admin/dashboard/node/", "#live-nodes tbody tr", (1280, 420)),
    Picture("expose", "/admin/dashboard/instance/expose/", "text=The way that you are making",
            fill=(("#id_name", "wiki"), ("#id_target_host", "192.168.1.30"), ("#id_portal_host", "edge.example.net"))),
    Picture("service", "/admin/dashboard/service/1/change/", "text=What to do now", dark=True),
    Picture("instance", "/admin/dashboard/instance/1/change/", "text=How connections go", (1280, 1000)),
    Picture("explain", "/admin/dashboard/instance/1/explain/?host=192.168.1.10&port=80&network=tcp&inbound=home-nas-entry",
            "#explained-carriers ol", (1280, 900)),
    Picture("publish", "/admin/dashboard/instance/4/publish/", "text=Publish as revision 2"),
    Picture("instance-phone", "/admin/dashboard/instance/1/change/", "text=How connections go", PHONE, dark=True),
)


SECONDS = 4         # that pages are told of, so that rates are there


CARRIERS = {"policy": "leastLoad", "paused": False, "carriers": [
    {"carrier": "1", "peer": "198.51.100.7:51023", "user": "home-nas@bridge", "is_chosen": True, "is_usable": True,
     "why": "2 sessions, 24.2 ms"},
    {"carrier": "0", "peer": "198.51.100.7:51022", "user": "home-nas@bridge", "is_chosen": False, "is_usable": True,
     "why": "3 sessions, 24.2 ms"},
]}
"""What the worker answers that Explain asks."""


LIVE = frozenset({"front", "front-phone", "tunnel", "nodes", "instance", "instance-phone"})


def tell(feed: Feed) -> None:
    """home-nas and ssh are up, camera's bridge died a moment ago, demo waits for its first one."""
    feed.node(1)
    feed.node(2)
    door = {"protocol": "dokodemo-door", "open": 5, "accepted": 400, "up": 0, "down": 0}
    home = feed.worker(1, 1, sessions=14, connections=1204)
    home["portals"] = {"home-nas": feed.portal(2), "ssh": feed.portal(1, down=3_000_000, sessions=2)}
    home["inbounds"] = {
        "home-nas-entry": {**door, "listen": ["0.0.0.0:8443/tcp"]}, "ssh-entry": {**door, "listen": ["0.0.0.0:2222/tcp"]}}
    gone = feed.portal(0, last_seen=time.time() - 180, last_error="connection reset by peer", sessions=0)
    feed.worker(1, 2)["portals"] = {"camera": gone}
    feed.worker(2, 3, phase="backing_off", last_exit="it was ended by SIGKILL", restarts=3)
    waiting = feed.portal(0, sessions=0)
    del waiting["last_seen"], waiting["last_peer"]
    feed.worker(1, 4)["portals"] = {"portal": waiting}
    feed.line(1, "home-nas")
    feed.line(1, "ssh", 3e5)


def move(tree: dict[str, Any]) -> None:
    home = tree["1"]["workers"]["1"]
    for tag, down, up in (("home-nas", 6_291_456, 430_080), ("ssh", 25_000, 900)):
        for part in (home["portals"][tag], home["inbounds"][f"{tag}-entry"]):
            part["down"] += down
            part["up"] += up
    home["portals"]["home-nas"]["opened"] += 3


def take(browser: Browser, panel: Panel, picture: Picture, folder: Path) -> Path:
    width, height = picture.size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if picture.dark else "light")
    try:
        page = context.new_page()
        feed = Feed(page)
        tell(feed)
        page.route("**/ask/", lambda route: route.fulfill(json=CARRIERS))
        log_in(page, panel, "ada")
        page.goto(f"{panel.url}{picture.path}")
        if picture.name in LIVE:
            feed.run(SECONDS, move)
            feed.happened("worker_died", "it was ended by SIGKILL", instance=3, node=2)
            for _ in range(2):
                feed.send(feed.sessions(1, "home-nas", 14))
                page.wait_for_timeout(1000)
        page.wait_for_selector(picture.ready)
        for field, value in picture.fill:
            page.fill(field, value)
        if picture.click:
            page.click(picture.click)
        page.evaluate("document.fonts.ready")
        path = folder / f"{picture.name}.png"
        page.screenshot(path=path, animations="disabled", caret="hide")
        return path
    finally:
        context.close()


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    large = False
    with tempfile.TemporaryDirectory() as place, running_panel(Path(place)) as panel, sync_playwright() as playwright:
        panel.add_people()
        panel.python(SEED)
        browser = playwright.chromium.launch(executable_path=require_program("chromium"), args=list(FLAGS))
        for picture in PICTURES:
            path = take(browser, panel, picture, folder)
            size = path.stat().st_size
            large |= size > MAX_BYTES
            sys.stdout.write(f"{path}  {size / 1024:.0f} KiB{'  too large' if size > MAX_BYTES else ''}\n")
        browser.close()
    return int(large)


if __name__ == "__main__":
    sys.exit(main())
