"""The bar that says that something is not published."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import HttpRequest

from dashboard.models import Instance
from dashboard.services.unpublished import known_count

register = template.Library()


@register.inclusion_tag("dashboard/publish_bar.html", takes_context=True)
def publish_bar(context: dict[str, Any], instance: Instance) -> dict[str, Any]:
    """Nothing where all is published."""
    request: HttpRequest = context["request"]
    if not instance.may_be_unpublished or not request.user.has_perm("dashboard.view_instance"):
        return {}
    number, count = known_count(instance)
    return {
        "instance": instance,
        "number": number,
        "count": count,
        "is_empty": count == 0 and bool(number),
        "may_publish": request.user.has_perm("dashboard.publish_instance"),
    }
