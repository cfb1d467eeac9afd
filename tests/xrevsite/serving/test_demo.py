"""The tunnel that `make demo` makes."""

from __future__ import annotations

import json
import re
import socket

import pytest
from django.urls import reverse

from dashboard.models import Instance, Revision
from dashboard.services.example import find_example
from tests.support.processes import free_port
from xrevsite.serving import demo

pytestmark = pytest.mark.django_db


def test_it_is_made_once_published_and_for_this_host_only() -> None:
    port = free_port()
    made = demo.prepare(port)
    assert made.url == f"http://127.0.0.1:{port}"
    assert set(Instance.objects.values_list("name", flat=True)) == {"demo-portal", "demo-bridge"}
    assert all(instance.node.is_local for instance in Instance.objects.all())
    documents = [revision.document for revision in Revision.objects.all()]
    assert len(documents) == 2
    inbounds = [inbound for document in documents for inbound in json.loads(document).get("inbounds", [])]
    assert [inbound["listen"] for inbound in inbounds] == ["127.0.0.1", "127.0.0.1"], "entry and carriers"
    assert demo.prepare(None).service == made.service
    assert demo.prepare(port).service == made.service
    assert Revision.objects.count() == 2


def test_another_port_than_the_one_that_is_there_is_not_passed_over() -> None:
    port = free_port()
    demo.prepare(port)
    with pytest.raises(demo.DemoError, match=f"The demo's entry has port {port}"):
        demo.prepare(port + 1)


def test_a_taken_port_is_one_sentence_with_another_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(demo.DemoError) as caught:
            demo.prepare(taken)
        sentence = rf"Port {taken} on 127\.0\.0\.1 is taken by another program\. Choose another: make demo PORT=(\d+)"
        found = re.fullmatch(sentence, str(caught.value))
        assert found is not None
        assert demo.is_free(int(found[1]))
        assert find_example() is None
        made = demo.prepare(None)
        assert len({made.service.public_port, made.service.carrier_port, made.service.target_port} - {taken}) == 3


def test_what_the_page_leads_to_is_there() -> None:
    text = demo.PROGRAM.with_name("demo_page.html").read_text()
    assert f'href="$panel{reverse("admin:dashboard_expose")}"' in text
