"""Pages of nodes as they are now: their list, what stands above a node's form, and the command by which a host joins."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import may, must
from dashboard.admin.links import page_link
from dashboard.admin.live_data import events, live_data
from dashboard.admin.rows import find_row
from dashboard.admin_base import NumberInput, Select, Switch, TextInput
from dashboard.models import JoinToken, Node, NodeEvent
from dashboard.services.errors import ServiceError
from dashboard.services.joining import (
    DEFAULT_HOURS,
    MAX_HOURS,
    MAX_USES,
    join_command,
    make_join_token,
    revoke_join_token,
)
from dashboard.services.panel_address import panel_fingerprint

MAX_TOKENS: Final = 30          # on the page; the API has all
MAX_EVENTS: Final = 15


def node_urls(model_admin: Any) -> list[URLPattern]:
    wrap = model_admin.admin_site.admin_view
    return [path("join/", wrap(join_page), name="dashboard_node_join")]


def list_page(request: HttpRequest) -> HttpResponse:
    must(request, "view_node")
    return render(request, "admin/dashboard/node/list.html", {
        **admin.site.each_context(request), "title": "Nodes", "live": live_data(), "may_add": may(request, "add_node"),
        "join_link": _join_link(request)})


def about_node(request: HttpRequest, node: Node) -> dict[str, Any]:
    """What its change page shows above the form."""
    seen, joined = node.last_seen_at, node.joined_at
    return {
        "join_link": _join_link(request, node),
        "live": live_data(
            node=node.pk, may_approve=may(request, "approve_node"), version=node.version, host=node.host, system=node.system,
            seen=seen.timestamp() if seen is not None else 0, seen_from=node.last_seen_from or "",
            joined=joined.timestamp() if joined is not None else 0, joined_from=node.joined_from or "",
            twice=f"One identity from two places: {node.twice_note}" if node.twice_at is not None else "",
            events=events(NodeEvent.objects.filter(node=node), MAX_EVENTS)),
    }


class JoinForm(forms.Form):
    """`node` empty: each host that comes is a new node."""

    node = forms.ModelChoiceField(
        Node.objects.all(), required=False, widget=Select(), empty_label="a new one",
        help_text="A node that is there keeps its instances; its identity from before ends.")
    name = forms.CharField(
        max_length=64, required=False, widget=TextInput(),
        help_text="What the new node is called, if its host has no name of its own.")
    uses = forms.IntegerField(
        min_value=1, max_value=MAX_USES, initial=1, widget=NumberInput(), help_text="How many hosts may join by it.")
    hours = forms.FloatField(
        min_value=0.1, max_value=MAX_HOURS, initial=DEFAULT_HOURS, widget=NumberInput(), help_text="How long it is good for.")
    approves = forms.BooleanField(
        required=False, initial=True, widget=Switch(), label="Needs no approval",
        help_text="Who joins gets its documents, with their secrets, at once. Off: it waits for a person.")


def join_page(request: HttpRequest) -> HttpResponse:
    """Makes the command, which is shown this once; `revoke` posted: the number of one that is good for nothing from now on."""
    must(request, "view_node", "add_jointoken")
    if request.method == "POST" and "revoke" in request.POST:
        return _revoke(request, request.POST["revoke"])
    initial: dict[str, Any] = {"name": "node"}
    if "node" in request.GET:
        node = find_row(Node, request.GET["node"])
        initial = {"node": node.pk, "name": node.name}
    form = JoinForm(request.POST if request.method == "POST" else None, initial=initial)
    made: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            token, text = make_join_token(
                by=request.user, name=given["name"], node=given["node"], uses=given["uses"], hours=given["hours"],
                approves=given["approves"])
        except ServiceError as error:
            form.add_error(error.path if error.path in form.fields else None, error.message)
        else:
            command = join_command(text, panel_url=request.build_absolute_uri("/"), fingerprint=panel_fingerprint())
            made = {"token": token, "command": command}
            form = JoinForm(initial={"name": "node"})
    known = made["token"].node_id if made else None
    context = {
        **admin.site.each_context(request), "title": "Join a host", "form": form, "tokens": _tokens(),
        "live": live_data(node=known), "may_revoke": may(request, "delete_jointoken"), **made}
    status = 400 if form.is_bound and form.errors else 200
    return render(request, "admin/dashboard/node/join.html", context, status=status)


def _revoke(request: HttpRequest, key: str) -> HttpResponse:
    must(request, "delete_jointoken")
    token = find_row(JoinToken, key)
    revoke_join_token(token, by=request.user)
    messages.success(request, f"No host joins with {token} any more.")
    return HttpResponseRedirect(page_link("admin:dashboard_node_join"))


def _tokens() -> list[JoinToken]:
    return list(JoinToken.objects.select_related("node")[:MAX_TOKENS])


def _join_link(request: HttpRequest, node: Node | None = None) -> str:
    if not may(request, "add_jointoken"):
        return ""
    return page_link("admin:dashboard_node_join", **({"node": node.pk} if node is not None else {}))
