"""The order of rules and of outbounds, by dragging or by keys."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from dashboard.admin.instance_page import find_instance, may, must, show
from dashboard.admin.links import change_link, instance_link
from dashboard.engine.content import Kind
from dashboard.services.errors import ServiceError
from dashboard.services.ordering import reorder
from dashboard.services.storing import MODELS

MAX_ROWS: Final = 2000


def order(request: HttpRequest, kind: Kind, pk: int) -> HttpResponse:
    """A list whose rows can be moved; it is saved as a whole."""
    model: Any = MODELS[kind]
    name = model._meta.model_name
    must(request, f"view_{name}")
    instance = find_instance(pk)
    if request.method == "POST":
        must(request, f"change_{name}")
        sent = [text for text in request.POST.get("order", "").split(",") if text.isascii() and text.isdigit() and len(text) < 18]
        try:
            reorder(instance, kind, [int(text) for text in sent], by=request.user)
        except ServiceError as error:
            messages.error(request, f"The order is as it was: {error.message}.")
            return HttpResponseRedirect(request.path)
        messages.success(request, "The new order is saved. It counts when the instance is published.")
        return HttpResponseRedirect(request.path)
    rows = list(model.objects.filter(instance=instance).order_by("position", "id").defer("comments")[: MAX_ROWS + 1])
    return show(
        request, "../entry/order.html", instance, title=f"Order of {kind}s", tab=f"{kind}s", kind=kind,
        rows=[(row, change_link(kind, row.pk), _about(kind, row)) for row in rows[:MAX_ROWS]], too_many=len(rows) > MAX_ROWS,
        max_rows=MAX_ROWS, back=instance_link(instance, f"{kind}s"), may_save=may(request, f"change_{name}"),
    )


def _about(kind: Kind, row: Any) -> str:
    if kind is Kind.RULE:
        target = row.outbound_tag or (f"balancer {row.balancer_tag}" if row.balancer_tag else "nowhere")
        return f"to {target}"
    return f"{row.protocol} {row.address}".strip()
