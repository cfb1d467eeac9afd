"""Explain: a connection that might come, the rule that decides about it, and why those before it do not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.links import change_link
from dashboard.admin_base import NumberInput, Select, TextInput
from dashboard.engine.content import Kind
from dashboard.models import Bridge, Inbound, Instance
from dashboard.services.errors import ServiceError
from dashboard.services.explaining import ExplainedRule, Explanation, Question, explain
from dashboard.services.ports import MAX_PORT
from dashboard.services.topology import topology

MAX_STEPS = 100         # rules that the answer lists
PROTOCOLS = (("", "not known"), ("http", "HTTP"), ("tls", "TLS"), ("quic", "QUIC"), ("bittorrent", "BitTorrent"))


def explaining_urls(model_admin: Any) -> list[URLPattern]:
    return [path("<int:pk>/explain/", model_admin.admin_site.admin_view(explain_view), name="dashboard_instance_explain")]


class ExplainForm(forms.Form):
    inbound = forms.ChoiceField(required=False, label="Comes in at", widget=Select(), help_text="an inbound, or a bridge")
    network = forms.ChoiceField(choices=(("tcp", "TCP"), ("udp", "UDP")), label="Network", widget=Select())
    host = forms.CharField(max_length=255, label="Wants to go to", widget=TextInput(attrs={"placeholder": "www.example.com"}),
                           help_text="a name or an address")
    port = forms.IntegerField(min_value=0, max_value=MAX_PORT, label="Port", initial=443, widget=NumberInput())
    source = forms.CharField(required=False, max_length=64, label="Comes from",
                             widget=TextInput(attrs={"placeholder": "198.51.100.7"}),
                             help_text="an IP address")
    source_port = forms.IntegerField(required=False, min_value=0, max_value=MAX_PORT, label="From port", widget=NumberInput())
    user = forms.CharField(required=False, max_length=255, label="User", widget=TextInput(), help_text="the client's email")
    protocol = forms.ChoiceField(required=False, choices=PROTOCOLS, label="Sniffed as", widget=Select())

    def __init__(self, instance: Instance, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tags = [tag for model in (Inbound, Bridge) for tag in _tags(model, instance)]
        self.fields["inbound"].choices = [("", "any"), *((tag, tag) for tag in tags)]  # type: ignore[attr-defined]

    def question(self) -> Question:
        values = self.cleaned_data
        return Question(
            host=values["host"].strip().strip("[]"), port=values["port"], network=values["network"],
            inbound_tag=values["inbound"],
            source=values["source"].strip(), source_port=values["source_port"] or 0, user=values["user"].strip(),
            protocol=values["protocol"],
        )


def _tags(model: Any, instance: Instance) -> list[str]:
    rows = model.objects.filter(instance=instance, enabled=True).exclude(tag="").order_by("position", "id")
    return list(rows.values_list("tag", flat=True))


def _shown(rule: ExplainedRule) -> dict[str, Any]:
    """The rule by its name, else by its place among the rules, as their table shows it."""
    has_name = rule.number is None or rule.name != f"routing.rules[{rule.number}]"
    return {
        "shown": rule.name if has_name or rule.number is None else f"rule {rule.number + 1}",
        "link": change_link(Kind.RULE, rule.pk) if rule.pk is not None else "",
        "number": rule.number, "matched": rule.matched, "reason": rule.reason,
    }


def _running(instance: Instance, answer: Explanation, question: Question) -> dict[str, Any] | None:
    """What the page's script asks the worker: which carrier, where the answer is a tunnel that runs."""
    mine = [lane.portal.tag for lane in topology().lanes if lane.portal is not None and lane.place.pk == instance.pk]
    if answer.target not in mine or not instance.enabled or getattr(instance, "published_number", None) is None:
        return None
    return {"instance": instance.pk, "portal": answer.target, "source": question.source}


def explain_view(request: HttpRequest, pk: int) -> HttpResponse:
    """The question is in the address, so that an answer can be shown to others."""
    must(request, "view_instance")
    instance = find_instance(pk)
    is_asked = "host" in request.GET
    form = ExplainForm(instance, request.GET if is_asked else None)
    answer: Explanation | None = None
    if is_asked and form.is_valid():
        try:
            answer = explain(instance, form.question())
        except ServiceError as error:
            form.add_error(error.path if error.path in form.fields else None, error.message)
    context: dict[str, Any] = {"form": form, "answer": answer}
    if answer is not None:
        steps = [_shown(rule) for rule in answer.rules]
        # The last one decides, or ends the search; of thousands before it the first ones are enough.
        hidden = max(0, len(steps) - MAX_STEPS)
        listed = steps if not hidden else [*steps[: MAX_STEPS - 1], steps[-1]]
        context |= {
            "steps": listed, "hidden": hidden, "decider": next((step for step in steps if step["matched"]), None),
            "running": _running(instance, answer, form.question()),
        }
    return show(request, "explain.html", instance, title=f"Instance {instance.name}", tab="explain",
                status=400 if form.errors else 200, **context)
