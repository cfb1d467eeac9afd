"""Addresses of the admin's pages of entries; empty where there is no such page."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from dashboard.engine.content import Kind
from dashboard.models import Instance
from dashboard.services.storing import MODELS


def model_name(kind: Kind) -> str:
    return str(MODELS[kind]._meta.model_name)


def change_link(kind: Kind, pk: int, field: str = "") -> str:
    """The page of one entry; `field` is the JSON path of the field to go to."""
    return page_link(f"admin:dashboard_{model_name(kind)}_change", pk, **({"field": field} if field else {}))


def client_link(pk: int, field: str = "") -> str:
    return page_link("admin:dashboard_credential_change", pk, **({"field": field} if field else {}))


def add_link(kind: Kind, instance: Instance) -> str:
    return page_link(f"admin:dashboard_{model_name(kind)}_add", instance=instance.pk)


def list_link(kind: Kind, instance: Instance) -> str:
    """The list page of this kind, which also orders by dragging."""
    return page_link(f"admin:dashboard_{model_name(kind)}_changelist", instance__id__exact=instance.pk)


def instance_link(instance: Instance, tab: str = "", **query: object) -> str:
    return page_link("admin:dashboard_instance_change", instance.pk, **({"tab": tab} if tab else {}), **query)


def page_link(name: str, *args: object, **query: object) -> str:
    """The address of any page, with its arguments and its query."""
    try:
        address = reverse(name, args=args)
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode(query)}" if query else address
