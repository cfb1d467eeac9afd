"""The bar that says that something is not published."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import HttpRequest

from dashboard.models import Credential, Entry, Instance
from dashboard.services.unpublished import known_count

register = template.Library()


@register.inclusion_tag("dashboard/publish_bar.html", takes_context=True)
def publish_bar(context: dict[str, Any], subject: object) -> dict[str, Any]:
    """Of an instance, or of the instance of an entry or a client; nothing where all is published."""
    request: HttpRequest = context["request"]
    instance = _instance_of(subject)
    if instance is None or not instance.may_be_unpublished or not request.user.has_perm("dashboard.view_instance"):
        return {}
    number, count = known_count(instance)
    return {
        "instance": instance,
        "number": number,
        "count": count,
        "is_empty": count == 0 and bool(number),
        "may_publish": request.user.has_perm("dashboard.publish_instance"),
    }


@register.inclusion_tag("dashboard/publish_bar.html", takes_context=True)
def publish_bar_of_list(context: dict[str, Any]) -> dict[str, Any]:
    """Of the instance that a list is narrowed to; nothing on a list of several."""
    for name in ("instance__id__exact", "inbound__instance__id__exact", "instance"):
        pk = context["request"].GET.get(name, "")
        if pk.isascii() and pk.isdigit() and len(pk) < 19:
            return publish_bar(context, Instance.objects.filter(pk=int(pk)).first())
    return {}


def _instance_of(subject: object) -> Instance | None:
    if isinstance(subject, Credential):
        return subject.inbound.instance
    if isinstance(subject, Entry):
        return subject.instance
    return subject if isinstance(subject, Instance) else None
