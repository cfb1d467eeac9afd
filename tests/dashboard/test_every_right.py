"""Every role at every address, compared with the table in rights.txt.

A line of it: method, address, and who gets past the question of rights (`password`: after giving it again). What is then
answered (a page, a complaint about an empty form) is for other tests to say. A changed line is a changed right: look twice.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.template.base import Template
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from dashboard.models import ApiToken, Bridge, Certificate, Condition, Instance, NodeEvent, Receiver, TrafficSeries
from dashboard.services.exposing import Wish, carry_out
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.joining import make_join_token
from dashboard.services.tokens import create_token
from tests.dashboard.api.conftest import DOCUMENT
from tests.dashboard.test_every_url import paths

TABLE = Path(__file__).with_name("rights.txt")
NO_ROWS = re.compile(r"\(|/login/|/logout/|/setup/|/jsi18n/|/agent/|^/$|/<path:object_id>/$")
"""What is for everybody, or only leads to another address."""
MODELS_OF_API = {"rules": "routingrule", "tokens": "apitoken", "audit": "auditentry", "traffic": "trafficseries",
                 "join_tokens": "jointoken", "events": "nodeevent"}
FAR = "192.0.2.9"       # programs on the panel's own host may read figures without saying who they are
Ask = Callable[[str, str], str]


@pytest.fixture
def rows(db: None, ada: User) -> dict[str, int]:
    """One of each model, none of them the last of its kind that something needs. Returns their keys by the models' names."""
    instance, _ = import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)
    carry_out(Wish(
        name="nas", target_host="192.168.1.10", target_port=80, networks=("tcp",), node=local_node(), instance=None,
        public_port=8443, portal_host="edge.example.net", carrier="vless", carrier_port=10240, core="v2ray-4"), by=ada)
    create_token(ada, by=ada, name="one of hers")
    assert Bridge.objects.exists()
    Certificate.objects.create(name="c", chain_pem="", fingerprint_sha256="", not_before=timezone.now(),
                               not_after=timezone.now() + timedelta(days=1))
    TrafficSeries.objects.create(instance=instance, kind="tunnel", name="home")
    Receiver.objects.create(name="chat", address="http://127.0.0.1:9/")
    Condition.objects.create(key="x", kind="tunnel_down", text="x", instance=instance, since=timezone.now())
    make_join_token(by=ada, name="a token")
    NodeEvent.objects.create(node=instance.node, instance=instance, kind="tunnel_up", at=timezone.now())
    keys = {"contenttype": ContentType.objects.get_for_model(Instance).pk, "group": Group.objects.get(name="viewer").pk}
    for model in (*apps.get_app_config("dashboard").get_models(), User):
        row = model._default_manager.order_by("pk").first()
        if row is not None:
            keys[str(model._meta.model_name)] = row.pk
    keys["accessattempt"] = AccessAttempt.objects.create(username="x", ip_address="127.0.0.1", failures_since_start=1).pk
    keys["instance"], keys["user"] = instance.pk, User.objects.create_user("somebody").pk
    return keys


def filled(path: str, rows: dict[str, int]) -> str:
    """The address of a row that is there."""
    path = path.replace("<path:content_type_id>/<path:object_id>", f"{rows['contenttype']}/{rows['instance']}")
    found = re.match(r"/admin/(?:dashboard|auth|axes)/(\w+)/|/api/v1/(\w+)/", path)
    if found is None:
        return path
    name = found[1] or MODELS_OF_API.get(found[2], found[2].removesuffix("s"))
    is_of_instance = "/order/<" in path
    key = rows["instance" if is_of_instance else name] if name in rows else 0
    return re.sub(r"<(?:\w+:)?(?:pk|object_id|id)>", str(key), path)


def asker(client: Client | APIClient) -> Ask:
    def ask(method: str, path: str) -> str:
        point = transaction.savepoint()
        try:
            answer = getattr(client, method)(path, follow=method == "get")
        finally:
            transaction.savepoint_rollback(point)
        to = answer.redirect_chain[-1][0] if getattr(answer, "redirect_chain", None) else answer.headers.get("Location", "")
        if answer.status_code == 405:
            return "no such method"
        if answer.status_code in (401, 403, 404) or to.startswith("/admin/login/") or to == "/admin/":
            return ""           # "/admin/": the row is none that this person could see
        assert answer.status_code < 500
        return "password" if to.startswith("/admin/account/confirm/") else "yes"

    return ask


@pytest.fixture
def who(rows: dict[str, int], ada: User, olaf: User, vera: User, sam: User) -> dict[str, Ask]:
    """Who asks: people by their sessions, and programs by tokens."""
    adam = User.objects.create_user("adam", is_staff=True)
    adam.groups.add(Group.objects.get(name="admin"))
    people = {"nobody": None, "no-role": sam, "viewer": vera, "operator": olaf, "admin": adam, "superuser": ada}
    asked: dict[str, Ask] = {}
    for name, person in people.items():
        client = Client(REMOTE_ADDR=FAR)
        if person is not None:
            client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        asked[name] = asker(client)
    elsewhere, _ = import_new("{}", name="elsewhere", node=local_node(), by=None)
    tokens: dict[str, tuple[User, dict[str, Any]]] = {
        "token:viewer's": (vera, {"scope": "admin"}),
        "token:read": (ada, {"scope": "read"}), "token:operate": (ada, {"scope": "operate"}),
        "token:admin": (ada, {"scope": "admin"}), "token:elsewhere": (ada, {"scope": "admin", "instances": [elsewhere]}),
    }
    for name, (person, options) in tokens.items():
        client = APIClient(REMOTE_ADDR=FAR)
        _, text = create_token(person, by=ada, name=name, **options)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        asked[name] = asker(client)
    return asked


def observed(who: dict[str, Ask], rows: dict[str, int]) -> Iterator[str]:
    for path in paths():
        if NO_ROWS.search(path):
            continue
        of_api = path.startswith("/api/")
        for method in ("get", "post", "put", "patch", "delete") if of_api else ("get", "post"):
            address = filled(path, rows)
            answers = {name: ask(method, address) for name, ask in who.items() if of_api or not name.startswith("token:")}
            if "yes" not in answers.values() and "password" not in answers.values():
                if set(answers.values()) <= {"", "no such method"} and "no such method" in answers.values():
                    continue
                yield f"{method.upper():6} {path:64} nobody at all"
                continue
            may = [name if answer == "yes" else f"{name}({answer})" for name, answer in answers.items() if answer]
            yield f"{method.upper():6} {path:64} {' '.join(may)}"


@pytest.fixture
def unwritten_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands on a page is for other tests; here it would take a third of the time."""
    monkeypatch.setattr(Template, "_render", lambda template, context: "")


@pytest.mark.timeout(600)        # some thousand requests
@pytest.mark.usefixtures("unwritten_pages")
def test_the_table_of_rights(who: dict[str, Ask], rows: dict[str, int]) -> None:
    seen = list(observed(who, rows))
    if "XREV_WRITE_RIGHTS" in os.environ:
        TABLE.write_text("\n".join(seen) + "\n")
    assert len(seen) > 150
    assert ApiToken.objects.count() == 6
    assert seen == TABLE.read_text().splitlines()
