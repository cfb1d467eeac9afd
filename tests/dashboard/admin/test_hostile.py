"""What somebody who means harm may try in the admin: markup in names, forms from elsewhere, fields that were not asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.engine.content import Kind
from dashboard.engine.secrets import MASK, mask
from dashboard.models import ApiToken, Certificate, Credential, Inbound, Instance, Node, Outbound
from dashboard.services.clients import change_client
from dashboard.services.editing import create_entry
from dashboard.services.exposing import Wish, carry_out
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.publishing import publish
from dashboard.services.tokens import create_token
from tests.dashboard.admin.conftest import ID, gave_password
from tests.dashboard.conftest import PASSWORD
from tests.dashboard.test_every_url import paths

MARK = "hostile"
EVIL = f"""</script></textarea></title>"'><{MARK} {MARK}=1 onerror=alert(1)>{{{{7*7}}}}{{% {MARK} %}}javascript:alert`1`"""
"""What would open an element of that name wherever it is not escaped, and end what it stands in."""


def document(text: str) -> str:
    """Every place that people fill, filled with `text`. It can be run, so that it can be published."""
    return f"// {text}\n" + json.dumps({
        "log": {"loglevel": "warning"},
        text: {text: text},
        "inbounds": [
            {"tag": text, "port": 8080, "protocol": "dokodemo-door", text: text,
             "settings": {"address": "127.0.0.1", "port": 80}},
            {"tag": "in", "port": 10240, "protocol": "vmess", "settings": {"clients": [{"id": ID, "email": text}]}},
        ],
        "outbounds": [{"tag": f"out {text}", "protocol": "freedom"}],
        "reverse": {"portals": [{"tag": f"portal {text}", "domain": "home.example"}], "bridges": []},
        "routing": {
            "balancers": [{"tag": f"balancer {text}", "selector": [f"out {text}"]}],
            "rules": [
                {"type": "field", "ruleTag": text, "inboundTag": [text, "in"], "outboundTag": f"portal {text}"},
                {"type": "field", "user": [text], "balancerTag": f"balancer {text}"},
            ],
        },
    })  # fmt: skip


@pytest.fixture
def evil(ada: User) -> Instance:
    """One row of each model at least, with EVIL wherever a person can write."""
    node = Node.objects.create(name=EVIL[:64], address="evil.example", note=EVIL)
    instance, _ = import_new(document(EVIL), name=EVIL[:64], node=node, by=ada)
    publish(instance, by=ada, comment=EVIL, accept_warnings=True)
    change_client(Credential.objects.get(), by=ada, note=EVIL)
    create_entry(instance, Kind.BRIDGE, {"tag": f"bridge {EVIL}", "domain": EVIL}, by=ada)
    carry_out(Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=local_node(), instance=None,
        public_port=8443, portal_host="edge.example.net", carrier="vless", carrier_port=10241, core="v2ray-4"), by=ada)
    create_token(ada, by=ada, name=EVIL[:64])
    Certificate.objects.create(
        name=EVIL[:64], names=EVIL, subject=EVIL, issuer=EVIL, note=EVIL, chain_pem=EVIL, key_pem=EVIL,
        fingerprint_sha256="00", not_before=timezone.now(), not_after=timezone.now() + timedelta(days=1))
    User.objects.create_user(EVIL[:100], first_name=EVIL[:100])
    AccessAttempt.objects.create(username=EVIL, ip_address="127.0.0.1", user_agent=EVIL, path_info=EVIL, failures_since_start=1)
    return Instance.objects.get(pk=instance.pk)


NO_PAGES = re.compile(r"\(|/login/|/logout/|/jsi18n/|/r/<|/<path:object_id>/$")


class Reader(HTMLParser):
    """What of a page a browser would run, or take from the text of people."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if MARK in tag or any(MARK in name for name in given):
            self.found.append(f"an element of theirs: {self.get_starttag_text()}")
        for name, value in given.items():
            if re.match(r"on[a-z]+$", name):
                self.found.append(f"a handler in the page: {name}={value}")
            if name.startswith(("x-", "@", ":", "hx-")) and MARK in (value or ""):
                self.found.append(f"their text is run as a script: {name}={value}")
            if name in ("href", "src", "action") and (value or "").strip().lower().startswith(("javascript:", "data:")):
                self.found.append(f"their text is an address: {name}={value}")
        if tag == "script":
            self._in_script = given.get("type", "") != "application/json" and "src" not in given

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.found.append(f"a script in the page: {data[:60]}")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"


def runnable(page: str) -> list[str]:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader.found


def addresses(instance: Instance) -> Iterator[str]:
    """Every page of the admin, with each row that there is."""
    for path in paths():
        if not path.startswith("/admin/") or NO_PAGES.search(path):
            continue
        found = re.match(r"/admin/(dashboard|auth|axes)/(\w+)/", path)
        if "<" not in path or found is None:
            yield path
            continue
        model = Instance if "/order/<" in path else apps.get_model(found[1], found[2])
        for row in model._default_manager.all():
            yield re.sub(r"<(?:\w+:)?(?:pk|object_id|id)>", str(row.pk), path)
    page = reverse("admin:dashboard_instance_change", args=[instance.pk])
    for tab in ("inbounds", "outbounds", "portals", "bridges", "rules", "balancers"):
        yield f"{page}?tab={tab}"
        yield f"{page}?tab={tab}&q=zz"
    for inbound in Inbound.objects.all():
        yield reverse("admin:dashboard_inbound_change", args=[inbound.pk]) + "?as=json"
        yield reverse("admin:dashboard_inbound_change", args=[inbound.pk]) + "?reveal=1"
        yield reverse("admin:dashboard_credential_changelist") + f"?inbound__id__exact={inbound.pk}"
    yield reverse("admin:dashboard_routingrule_changelist") + f"?instance__id__exact={instance.pk}"
    yield reverse("admin:dashboard_inbound_add") + f"?instance={instance.pk}"


def test_nothing_that_people_write_is_run_on_any_page(as_ada: Client, evil: Instance) -> None:
    gave_password(as_ada)
    seen = with_text = 0
    for address in addresses(evil):
        answer = as_ada.get(address)
        assert answer.status_code in (200, 302, 403, 404), address
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            page = answer.content.decode()
            assert runnable(page) == [], address
            seen += 1
            with_text += MARK in page
    assert seen > 100
    assert with_text > 60


# --- forms from elsewhere
def test_no_form_is_taken_without_its_mark(ada: User, evil: Instance) -> None:
    """With the session of somebody who may do everything, as a page of another site would send it."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    gave_password(client)
    refused = 0
    for address in addresses(evil):
        answer = client.post(address, {"confirmed": "1", "anyway": "1", "confirm": "1", "name": "theirs", "do": "save"})
        assert answer.status_code == 403, address
        refused += 1
    assert refused > 100
    assert "did not come from this panel" in client.post("/admin/dashboard/node/add/", {"name": "theirs"}).content.decode()


@pytest.mark.parametrize("elsewhere", [
    "https://evil.example/", "//evil.example/", "/\\evil.example/", "https:evil.example", "javascript:alert(1)",
    "\x01//evil.example",
])  # fmt: skip
def test_nobody_is_led_to_another_site(client: Client, ada: User, elsewhere: str) -> None:
    credentials = {"username": "ada", "password": PASSWORD, "next": elsewhere}
    answer = client.post("/admin/login/", credentials, query_params={"next": elsewhere})
    assert answer.headers["Location"] == "/admin/"
    confirm = reverse("accounts:confirm")
    answer = client.post(confirm, {"password": PASSWORD, "next": elsewhere}, query_params={"next": elsewhere})
    assert answer.headers["Location"] == "/admin/"
    answer = client.post("/admin/logout/", {"next": elsewhere}, query_params={"next": elsewhere})
    assert answer.headers["Location"] == "/admin/logout/"


# --- fields that were not asked for
def test_a_form_changes_what_it_shows_and_nothing_else(as_olaf: Client, portal: Instance) -> None:
    other, _ = import_new("{}", name="other", node=local_node(), by=None)
    page = reverse("admin:dashboard_instance_change", args=[portal.pk])
    sent = {"version": portal.version, "name": "edge", "node": portal.node_id, "note": "mine", "enabled": "on"}
    as_olaf.post(page, {**sent, "id": other.pk, "pk": other.pk, "rest": "{}", "version_": 99, "created_at": "2001-01-01"})
    portal.refresh_from_db()
    assert (portal.note, portal.name) == ("mine", "edge")
    assert Instance.objects.get(pk=other.pk).note == ""
    assert portal.rest_document["log"] == {"loglevel": "warning"}

    client = Credential.objects.get()
    address = reverse("admin:dashboard_credential_change", args=[client.pk])
    sent_back = {"do": "save", "mode": "json", "text": json.dumps({"id": MASK, "email": "nas@home"}), "enabled": "on",
                 "reset_period": "never", "seen": seen_of(as_olaf, address)}
    answer = as_olaf.post(address, {**sent_back, "note": "n", "used_bytes": 7, "inbound": 1, "position": 9, "secret_hash": "x"})
    assert answer.status_code == 302
    after = Credential.objects.get()
    assert (after.note, after.used_bytes, after.inbound_id, after.position) == ("n", 0, client.inbound_id, client.position)
    assert after.secret_hash == client.secret_hash
    assert after.entry == {"id": ID, "email": "nas@home"}


def test_a_token_is_ones_own_and_never_more_than_oneself(as_olaf: Client, olaf: User, ada: User) -> None:
    asked = {"name": "t", "scope": "admin", "user": ada.pk, "may_read_secrets": "on", "prefix": "00000000"}
    assert as_olaf.post(reverse("admin:dashboard_apitoken_add"), asked).status_code == 200
    token = ApiToken.objects.get()
    assert (token.user, token.may_read_secrets) == (olaf, False)
    assert token.prefix != "00000000"


def test_a_token_that_reads_secrets_asks_for_the_password_first(as_ada: Client) -> None:
    asked = {"name": "t", "scope": "read", "may_read_secrets": "on"}
    answer = as_ada.post(reverse("admin:dashboard_apitoken_add"), asked)
    assert answer.status_code == 400
    assert f'<a href="{reverse("accounts:confirm")}?next=' in answer.content.decode()
    assert not ApiToken.objects.exists()
    gave_password(as_ada)
    assert as_ada.post(reverse("admin:dashboard_apitoken_add"), asked).status_code == 200
    assert ApiToken.objects.get().may_read_secrets


def seen_of(client: Client, address: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', client.get(address).content.decode())
    assert found is not None
    return found[1]


# --- secrets
WEIRD = "weird-s3cret"
"""In the values of secret keys, none of which a core would take: complaints must not repeat them."""


def with_weird_secrets() -> dict[str, Any]:
    def stream(number: int) -> dict[str, Any]:
        return {"network": "kcp", "security": "tls", "kcpSettings": {"seed": f"{WEIRD}-{number} {{"},
                "tlsSettings": {"certificates": [{"key": [f"{WEIRD}-k{number}"], "certificate": ["x"]}]},
                "realitySettings": {"privateKey": f"{WEIRD}-p{number}", "shortIds": [f"{WEIRD}-s{number}"]}}

    long = f"{WEIRD}-" + "x" * 300
    return {
        "inbounds": [
            {"tag": "a", "port": 1, "protocol": "vmess", "settings": {"clients": [{"id": long, "email": "a"}, {"id": long}]}},
            {"tag": "b", "port": 2, "protocol": "vless", "settings": {
                "clients": [{"id": long, "email": "b"}, {"id": 1.5, "flow": "x"}], "decryption": f"{WEIRD}-dec"}},
            {"tag": "c", "port": 3, "protocol": "socks", "settings": {"auth": f"{WEIRD}-auth", "accounts": [
                {"user": "u", "pass": f"{WEIRD}-1"}, {"user": "u", "pass": f"{WEIRD}-2"}]}},
            {"tag": "d", "port": 4, "protocol": "shadowsocks", "settings": {"method": "x", "password": f"{WEIRD}-ss"}},
            {"tag": "e", "port": 5, "protocol": "trojan", "settings": {"clients": [{"password": f"{WEIRD}-t", "email": "t"}]},
             "streamSettings": stream(1)},
        ],
        "outbounds": [
            {"tag": "o1", "protocol": "vmess", "settings": {"vnext": [{"address": "x", "port": 1, "users": [
                {"id": long}, {"id": [f"{WEIRD}-list"]}]}]}, "streamSettings": stream(2)},
            {"tag": "o2", "protocol": "vless", "settings": {"vnext": [{"address": "x", "port": 1, "users": [
                {"id": long, "encryption": "none"}]}]}},
            {"tag": "o3", "protocol": "http", "settings": {"servers": [{"address": "x", "port": 1, "users": [
                {"user": "u", "pass": f"{WEIRD}-h\n:"}]}]}},
            {"tag": "o4", "protocol": "vless", "settings": {"address": "x", "port": 1, "id": long}},
        ],
        "routing": {"rules": [{"type": "field", "inboundTag": ["nothing"], "outboundTag": "nowhere"}]},
    }  # fmt: skip


def test_complaints_about_secrets_do_not_repeat_them(ada: User, as_vera: Client, as_olaf: Client) -> None:
    instance, _ = import_new(json.dumps(with_weird_secrets()), name="weird", node=local_node(), by=ada)
    for client in (as_vera, as_olaf):
        gave_password(client)
        for address in addresses(instance):
            if address.startswith("/admin/search/"):
                continue
            answer = client.get(address)
            if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
                assert WEIRD not in answer.content.decode(), address
    for row in (*Inbound.objects.all(), *Outbound.objects.all(), *Credential.objects.all()):
        address = reverse(f"admin:dashboard_{row._meta.model_name}_change", args=[row.pk])
        for mode, field in (("json", "text"), ("form", "base")):
            sent = {"do": "save", "mode": mode, field: json.dumps(mask(row.entry)), "seen": seen_of(as_olaf, address),
                    "reset_period": "never"}
            page = as_olaf.post(address, sent)
            assert page.status_code in (302, 400), address
            assert WEIRD not in page.content.decode(), address
    exposing = {"name": "nas", "target_host": "10.0.0.1", "target_port": 80, "networks": "tcp", "public_port": 8443,
                "where": f"instance:{instance.pk}", "portal_host": "x.example", "far": "core:xrev", "carrier": "vmess",
                "carrier_port": 9000, "review": "1"}
    page = as_olaf.post(reverse("admin:dashboard_expose"), exposing).content.decode()
    assert "inbound nas-entry is new" in page
    assert WEIRD not in page
