"""The wizard: three questions, a look at what will be made, and then the far side's file."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.safestring import SafeString

from dashboard.admin.code_view import code_lines
from dashboard.admin.instance_page import must, show
from dashboard.admin.rows import number_in
from dashboard.admin.service import show_file_for_a_while
from dashboard.admin_base import NumberInput, Select, TextInput
from dashboard.engine.exposing import CORES
from dashboard.models import Instance, Node
from dashboard.services.errors import ServiceError
from dashboard.services.exporting import as_text
from dashboard.services.exposing import (
    NOT_A_NAME,
    OWN_CORE,
    BadWish,
    Plan,
    Side,
    Wish,
    carry_out,
    is_name,
    plan,
    suggested_ports,
    wish_summary,
)
from dashboard.services.instances import local_node
from dashboard.services.ports import MAX_PORT
from dashboard.services.publishing import is_published

CARRIERS: Final = (
    ("vless", "VLESS over TLS, with a certificate made for this tunnel"),
    ("vmess", "VMess, which encrypts by itself (both clocks within two minutes)"),
)
NETWORKS: Final = (("tcp", "TCP"), ("udp", "UDP"), ("tcp,udp", "TCP and UDP"))
_FIELD_OF: Final = {"core": "far"}
"""Where a problem of a wish's field is said, if the form has no field of that name."""


def exposing_urls(model_admin: Any) -> list[URLPattern]:
    return [path("expose/", model_admin.admin_site.admin_view(expose), name="dashboard_expose")]


class ExposeForm(forms.Form):
    """`where` is "node:1" (a new instance there) or "instance:1"; `far` is "core:xray" or "node:1"."""

    name = forms.CharField(max_length=32, widget=TextInput(attrs={"placeholder": "home-nas", "autocomplete": "off"}),
                           help_text="small letters, digits and dashes")
    target_host = forms.CharField(max_length=255, label="Address of the service", initial="127.0.0.1", widget=TextInput(),
                                  help_text="as the far side reaches it")
    target_port = forms.IntegerField(min_value=1, max_value=MAX_PORT, label="Its port", initial=80, widget=NumberInput())
    networks = forms.ChoiceField(choices=NETWORKS, label="Protocol", widget=Select())
    where = forms.ChoiceField(label="Public side", widget=Select())
    public_port = forms.IntegerField(min_value=1, max_value=MAX_PORT, label="Public port", widget=NumberInput())
    portal_host = forms.CharField(max_length=255, label="Address of the public side",
                                  widget=TextInput(attrs={"placeholder": "203.0.113.7"}),
                                  help_text="as the far side reaches it: a name or an IP address")
    far = forms.ChoiceField(label="The far side runs", widget=Select())
    carrier = forms.ChoiceField(choices=CARRIERS, label="Carrier protocol", widget=Select(), help_text="what the tunnel speaks")
    carrier_port = forms.IntegerField(min_value=1, max_value=MAX_PORT, label="Carriers' port", widget=NumberInput(),
                                      help_text="the far side connects to it: open it in the firewall of the public side")
    public_listen = forms.CharField(max_length=45, required=False, label="Listen on",
                                    widget=TextInput(attrs={"placeholder": "every address"}),
                                    help_text="an IP address of the public side; empty: every address")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        nodes = list(Node.objects.order_by("name"))
        instances = list(Instance.objects.select_related("node").defer("rest", "comments").order_by("name"))
        new = ("A new instance on", [(f"node:{node.pk}", f"{node.name} (new instance)") for node in nodes])
        added = [("Add to", [(f"instance:{one.pk}", f"{one.name} on {one.node.name}") for one in instances])] if instances else []
        self.fields["where"].choices = [new, *added]  # type: ignore[attr-defined]
        self.fields["far"].choices = [  # type: ignore[attr-defined]
            ("A core that I run myself", [(f"core:{name}", core.title) for name, core in CORES.items()]),
            ("A node of ours", [(f"node:{node.pk}", f"{node.name} (new instance)") for node in nodes]),
        ]

    def clean_name(self) -> str:
        value = str(self.cleaned_data["name"]).strip()
        if not is_name(value):
            raise forms.ValidationError(NOT_A_NAME)
        return value

    def clean_public_listen(self) -> str:
        value = str(self.cleaned_data["public_listen"]).strip()
        try:
            return str(ipaddress.ip_address(value)) if value else ""
        except ValueError:
            raise forms.ValidationError("An IP address is expected.") from None

    def wish(self) -> Wish:
        values = self.cleaned_data
        where, _, where_pk = values["where"].partition(":")
        far, _, far_key = values["far"].partition(":")
        instance = Instance.objects.select_related("node").get(pk=where_pk) if where == "instance" else None
        return Wish(
            name=values["name"].strip(), target_host=values["target_host"].strip().strip("[]"), target_port=values["target_port"],
            networks=tuple(values["networks"].split(",")), node=instance.node if instance else Node.objects.get(pk=where_pk),
            instance=instance, public_port=values["public_port"], portal_host=values["portal_host"].strip().strip("[]"),
            carrier=values["carrier"], carrier_port=values["carrier_port"], core=far_key if far == "core" else OWN_CORE,
            far_node=Node.objects.get(pk=far_key) if far == "node" else None, public_listen=values["public_listen"],
        )

    def say(self, problems: dict[str, str]) -> None:
        for field, words in problems.items():
            name = _FIELD_OF.get(field, field)
            self.add_error(name if name in self.fields else None, words)


def expose(request: HttpRequest) -> HttpResponse:
    must(request, "add_instance", "change_instance", "add_service", "publish_instance")
    if request.method != "POST":
        return _ask(request, ExposeForm(initial=_initial(request)))
    form = ExposeForm(request.POST)
    if not form.is_valid() or "edit" in request.POST:
        return _ask(request, form)
    wish = form.wish()
    try:
        planned = plan(wish)
        if "confirm" not in request.POST:
            return _review(request, form, wish, planned)
        expected = number_in(request.POST.get("version", ""))
        service = carry_out(wish, by=request.user, expected_version=expected, publishes="later" not in request.POST)
    except BadWish as error:
        form.say(error.problems)
        return _ask(request, form)
    except ServiceError as error:
        form.add_error(None, error.message)
        return _ask(request, form)
    show_file_for_a_while(request, service)
    messages.success(request, f"{service.name} is {'made' if 'later' in request.POST else 'made and published'}.")
    return HttpResponseRedirect(reverse("admin:dashboard_service_change", args=[service.pk]))


def _initial(request: HttpRequest) -> dict[str, Any]:
    pk = number_in(request.GET.get("instance", ""))
    instance = Instance.objects.filter(pk=pk).first() if pk is not None else None
    node = instance.node if instance is not None else local_node()
    public, carrier = suggested_ports(node)
    return {
        "where": f"instance:{instance.pk}" if instance is not None else f"node:{node.pk}",
        "public_port": public or "", "carrier_port": carrier or "", "portal_host": node.address or _own_name(request),
        "far": f"core:{OWN_CORE}", "carrier": CARRIERS[0][0],
    }


def _own_name(request: HttpRequest) -> str:
    """What the panel is reached by, if others could use it."""
    host = request.get_host().rpartition(":")[0] or request.get_host()
    return "" if host.strip("[]") in ("localhost", "127.0.0.1", "::1", "testserver") else host.strip("[]")


def _ask(request: HttpRequest, form: ExposeForm) -> HttpResponse:
    has_more = any(name in form.errors for name in ("carrier", "carrier_port", "public_listen"))
    status = 400 if form.errors else 200
    return show(request, "expose.html", None, title="Expose a service", form=form, has_more=has_more, status=status)


def _review(request: HttpRequest, form: ExposeForm, wish: Wish, planned: Plan) -> HttpResponse:
    behind = wish.instance is not None and not is_published(wish.instance)
    return show(
        request, "expose_review.html", None, title=f"Expose {wish.name}: a last look", form=form, wish=wish, plan=planned,
        near_lines=_lines(planned.near), far_lines=_lines(planned.far), has_other_changes=behind, **wish_summary(wish),
        hidden=_hidden(form),
    )


def _lines(side: Side) -> Any:
    return code_lines(as_text(side.document))[0]


def _hidden(form: ExposeForm) -> list[SafeString]:
    return [form[name].as_hidden() for name in form.fields]
