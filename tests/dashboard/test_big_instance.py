"""2,000 inbounds, 5,000 rules and 20,000 clients are one instance like any other, only larger.

`make test-postgres` runs this on PostgreSQL as well. Times are the processor's, of the panel and of its database: other
programs take turns with them. What can be repeated is, and the best counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from dashboard.engine.content import Kind
from dashboard.models import Credential, Inbound, Instance, Node, RoutingRule
from dashboard.services.editing import change_entry
from dashboard.services.exporting import export_text
from dashboard.services.importing import import_document, import_new
from dashboard.services.instances import local_node
from dashboard.services.linting import lint_instance
from dashboard.services.ordering import move_entry
from dashboard.services.publishing import publish
from dashboard.services.storing import load_content
from tests.support.big_document import CREDENTIALS, INBOUNDS, RULES, big_document, big_text

pytestmark = pytest.mark.django_db

IMPORT_S = 20.0
WHOLE_S = 5.0           # export, lint, publish
EDIT_S = 1.0
PAGE_S = 0.5
ATTEMPTS = 3
PAGES = (
    "instance", "inbound", "outbound", "portal", "bridge", "routingrule", "balancer", "credential", "revision", "auditentry",
)  # fmt: skip


class Imported:
    instance: Instance
    text: str
    took_s: float


@pytest.fixture(scope="module")
def imported(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Imported]:
    """Made once, in a transaction around all of the tests' own."""
    with django_db_blocker.unblock(), transaction.atomic():
        made = Imported()
        made.text = big_text()
        begin = busy_s()
        made.instance, _ = import_new(made.text, name="big", node=local_node(), by=None)
        made.took_s = busy_s() - begin
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def big(imported: Imported, db: None) -> Instance:
    return Instance.objects.get(pk=imported.instance.pk)


def busy_s() -> float:
    """The processor time of this process and of the server of its database connection, if there is one."""
    return time.process_time() + _of_server_s()


def _of_server_s() -> float:
    if connection.vendor != "postgresql":
        return 0
    connection.ensure_connection()
    stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def best_of(limit_s: float, act: Callable[[], object]) -> float:
    """The shortest of some times, or the first that is good enough."""
    best = float("inf")
    for _ in range(ATTEMPTS):
        begin = busy_s()
        act()
        best = min(best, busy_s() - begin)
        if best < limit_s:
            break
    return best


def test_it_is_imported_in_time(imported: Imported, big: Instance) -> None:
    assert Inbound.objects.filter(instance=big).count() == INBOUNDS
    assert RoutingRule.objects.filter(instance=big).count() == RULES
    assert Credential.objects.filter(inbound__instance=big).count() == CREDENTIALS
    assert imported.took_s < IMPORT_S


def test_it_is_replaced_in_time(imported: Imported, big: Instance) -> None:
    changed = imported.text.replace("/path-7", "/changed-7").replace("@example.com", "@example.net")
    assert best_of(IMPORT_S, lambda: import_document(big, changed, by=None)) < IMPORT_S


def test_it_is_exported_in_time_and_is_what_came_in(imported: Imported, big: Instance) -> None:
    written: list[str] = []
    assert best_of(WHOLE_S, lambda: written.append(export_text(big, by=None, masked=False))) < WHOLE_S
    assert written[-1] == imported.text + "\n"
    assert best_of(WHOLE_S, lambda: export_text(big, by=None)) < WHOLE_S


def test_it_is_linted_in_time(big: Instance) -> None:
    assert best_of(WHOLE_S, lambda: lint_instance(big)) < WHOLE_S


def test_it_is_published_in_time(big: Instance) -> None:
    def first() -> None:
        point = transaction.savepoint()
        publish(big, by=None, accept_warnings=True)
        transaction.savepoint_rollback(point)

    assert best_of(WHOLE_S, first) < WHOLE_S
    publish(big, by=None, accept_warnings=True)
    numbers = iter(range(30_000, 40_000))

    def next_one() -> None:
        row = big.inbounds.get(tag="in-1000")
        change_entry(row, {**row.entry, "port": next(numbers)}, by=None)
        publish(big, by=None, accept_warnings=True)

    assert best_of(WHOLE_S, next_one) < WHOLE_S


def test_one_entry_is_changed_in_time(big: Instance, as_ada: Client) -> None:
    row = big.inbounds.get(tag="in-1000")
    numbers = iter(range(30_000, 40_000))

    def change() -> None:
        change_entry(row, {**row.entry, "port": next(numbers)}, by=None)

    assert best_of(EDIT_S, change) < EDIT_S
    rule = big.routingrules.get(position=4000)
    places = iter(range(10, 1000))
    assert best_of(EDIT_S, lambda: move_entry(rule, next(places), by=None)) < EDIT_S
    address = f"/admin/dashboard/inbound/{row.pk}/change/"

    def by_hand() -> None:
        page = as_ada.get(address)
        assert page.status_code == 200
        form = page.context["form"]
        sent = {name: form[name].value() for name in form.fields if form[name].value() is not None}
        sent |= {"base": page.context["base"], "seen": page.context["seen"], "do": "save", "mode": "form"}
        beside = page.context["extra"]
        sent |= {beside[name].html_name: beside[name].value() for name in beside.fields}
        [port] = [field.name for group in form.groups for field in group.fields if field.label == "Port"]
        sent[port] = str(next(numbers))
        saved = as_ada.post(address, {name: value for name, value in sent.items() if value is not None})
        assert saved.status_code == 302, saved.context["problems"]

    assert best_of(2 * EDIT_S, by_hand) < 2 * EDIT_S       # the page, and saving it


@pytest.mark.parametrize("name", PAGES)
def test_a_list_page_is_there_in_time(big: Instance, as_ada: Client, name: str) -> None:
    address = f"/admin/dashboard/{name}/"
    assert as_ada.get(address).status_code == 200
    assert best_of(PAGE_S, lambda: as_ada.get(address)) < PAGE_S
    if name in ("inbound", "routingrule", "credential"):
        assert best_of(PAGE_S, lambda: as_ada.get(f"{address}?q=7&p=2")) < PAGE_S


@pytest.mark.parametrize("tab", ["overview", "inbounds", "outbounds", "rules"])
def test_the_page_of_the_instance_is_there_in_time(big: Instance, as_ada: Client, tab: str) -> None:
    address = f"/admin/dashboard/instance/{big.pk}/change/?tab={tab}"
    assert as_ada.get(address).status_code == 200
    assert best_of(PAGE_S, lambda: as_ada.get(address)) < PAGE_S


@pytest.mark.parametrize("name", ["inbounds", "rules", "credentials"])
def test_a_page_of_the_api_is_there_in_time(big: Instance, as_ada: Client, name: str) -> None:
    address = f"/api/v1/{name}/?instance={big.pk}" if name != "credentials" else f"/api/v1/{name}/"
    assert best_of(PAGE_S, lambda: as_ada.get(address)) < PAGE_S


def test_list_pages_take_as_many_queries_for_many_rows_as_for_few(as_ada: Client) -> None:
    def published(name: str, size: int) -> Instance:
        node = Node.objects.create(name=f"host of {name}")
        made, _ = import_new(big_text(inbounds=size, rules=size, credentials=2 * size), name=name, node=node, by=None)
        publish(made, by=None, accept_warnings=True)
        return made

    small = published("small", 3)
    few = {name: queries(as_ada, name) for name in PAGES}
    import_document(small, big_text(inbounds=90, rules=95, credentials=180), by=None)
    for number in range(5):
        published(f"other {number}", 1)
    assert {name: queries(as_ada, name) for name in PAGES} == few


def queries(client: Client, name: str) -> int:
    address = f"/admin/dashboard/{name}/"
    client.get(address)             # what is looked up once, is
    with CaptureQueriesContext(connection) as caught:
        assert client.get(address).status_code == 200
    return len(caught)


def test_loading_it_takes_seven_queries(big: Instance) -> None:
    with CaptureQueriesContext(connection) as caught:
        content = load_content(big)
    assert len(caught) == 7
    assert len(content.entries[Kind.RULE]) == RULES == len(big_document()["routing"]["rules"])
