"""What lists may be asked: what their own pages offer, and no other condition on their columns."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from dashboard.models import Instance, Node

MODELS = sorted(set(admin.site._registry) - {Node}, key=lambda model: model._meta.label)
"""Those whose lists are Django's. That of nodes has a page of its own, which is asked nothing."""

pytestmark = pytest.mark.django_db


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def page(client: Client, ada: User, portal: Instance) -> Client:
    client.force_login(ada)
    return client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_columns_are_not_asked_for_by_conditions_that_no_page_offers(page: Client, model: type[Model]) -> None:
    address = list_of(model)
    for field in model._meta.concrete_fields:
        for condition in ("regex", "startswith"):
            answer = page.get(address, {f"{field.name}__{condition}": "a"})
            assert answer.status_code == 400, f"{field.name}__{condition}"
    assert page.get(address, {"pk__regex": "a"}).status_code == 400


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_what_a_list_offers_is_answered(page: Client, model: type[Model]) -> None:
    address = list_of(model)
    offered = {unescape(one) for one in re.findall(r'(?:href|action|value)="(\?[^"]+)"', page.get(address).content.decode())}
    for query in offered:
        answer = page.get(address + query)
        assert answer.status_code == 200, query
        assert "e=1" not in answer.request["QUERY_STRING"]


def test_there_are_such_offers(page: Client) -> None:
    for name in ("inbound", "credential", "auditentry", "instance"):
        model = next(one for one in MODELS if one._meta.model_name == name)
        assert 'href="?' in page.get(list_of(model)).content.decode(), name


@pytest.mark.parametrize("name", ["instance", "nodeevent", "auditentry", "inbound"])
def test_a_search_for_thousands_of_words_is_no_fault(page: Client, name: str) -> None:
    model = next(one for one in MODELS if one._meta.model_name == name)
    assert page.get(list_of(model), {"q": "a " * 3000}).status_code == 200
