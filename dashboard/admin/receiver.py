"""Who is told when something is wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from dashboard.accounts import stepup
from dashboard.admin.instance_page import may, must, show
from dashboard.admin.rows import find_row
from dashboard.admin_base import ModelAdmin, NumberInput, ReadOnlyAdmin, Select, Switch, Textarea, TextInput, display
from dashboard.choices import ConditionKind, ReceiverKind, Verb
from dashboard.models import Condition, Receiver
from dashboard.services.auditing import record
from dashboard.services.errors import ServiceError
from dashboard.services.notifying import MAX_HOLD_S, NotSent, delete_receiver, save_receiver, send_test

_COLOURS = {"works": "success", "not tried yet": "info", "off": "info", "fails": "danger"}


class ReceiverForm(forms.Form):
    name = forms.CharField(max_length=64, widget=TextInput(), help_text="What you call it.")
    kind = forms.ChoiceField(choices=ReceiverKind, widget=Select(), label="By")
    address = forms.CharField(
        max_length=4000, widget=Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="A web address; or e-mail addresses, one a line.")
    kinds = forms.MultipleChoiceField(
        choices=ConditionKind, required=False, label="Of what", help_text="None chosen: of all of it.",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "x-choices"}))
    hold_s = forms.IntegerField(
        min_value=0, max_value=MAX_HOLD_S, widget=NumberInput(), label="After",
        help_text="Seconds that something has to last before it is told. What is over by then is not worth a message.")
    enabled = forms.BooleanField(required=False, widget=Switch())


@admin.register(Receiver)
class ReceiverAdmin(ModelAdmin):
    list_display = ("name", "kind", "shown_kinds", "shown_state", "told_at")
    search_fields = ("name",)
    empty_title = "Nobody is told"
    empty_words = "A webhook or an e-mail says when a tunnel is down, a node is gone, or something expires."
    empty_button = "Add a receiver"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        return rows.defer("address", "secret")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_urls(self) -> list[URLPattern]:
        test = path("<int:pk>/test/", self.admin_site.admin_view(_test), name="dashboard_receiver_test")
        return [test, *super().get_urls()]

    @admin.display(description="of what")
    def shown_kinds(self, row: Receiver) -> str:
        return ", ".join(ConditionKind(kind).label for kind in row.kinds if kind in ConditionKind.values) or "everything"

    @display(description="state", label=_COLOURS)  # type: ignore[untyped-decorator]
    def shown_state(self, row: Receiver) -> str:
        return state_of(row)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "add_receiver")
        return _page(request, None)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "view_receiver")
        return _page(request, _find(object_id))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        must(request, "delete_receiver")
        row = _find(object_id)
        listed = reverse("admin:dashboard_receiver_changelist")
        if request.POST.get("confirmed"):
            delete_receiver(row, by=request.user)
            messages.success(request, f"{row} is told nothing any more.")
            return HttpResponseRedirect(listed)
        return show(request, "../entry/delete.html", None, title=f"Delete receiver {row}", rows=[row], keep=listed)


@admin.register(Condition)
class ConditionAdmin(ReadOnlyAdmin):
    """What was wrong and what is; made by the panel."""

    list_display = ("text", "kind", "since", "cleared_at", "shown_state")
    list_filter = ("kind",)
    search_fields = ("text",)
    empty_title = "Nothing was wrong yet"
    empty_words = "Here stands what was wrong for a while: tunnels that were down, nodes that were gone."

    @display(description="state", label={"now": "danger", "over": "success"})  # type: ignore[untyped-decorator]
    def shown_state(self, row: Condition) -> str:
        return "now" if row.cleared_at is None else "over"


def state_of(row: Receiver) -> str:
    if not row.enabled:
        return "off"
    if row.failures:
        return "fails"
    return "works" if row.told_at else "not tried yet"


def _where(row: Receiver) -> str:
    """As far as it is no secret."""
    if row.kind == ReceiverKind.EMAIL:
        return ", ".join(row.address.split())
    parts = urlsplit(row.address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}/…"


def _find(object_id: str) -> Receiver:
    row: Receiver = find_row(Receiver, object_id)
    return row


def _test(request: HttpRequest, pk: int) -> HttpResponse:
    must(request, "change_receiver")
    row = _find(str(pk))
    if request.method == "POST":
        try:
            send_test(row, by=request.user)
        except NotSent as error:
            messages.error(request, f"The test did not arrive: {error}.")
        else:
            messages.success(request, "The test arrived.")
    return HttpResponseRedirect(reverse("admin:dashboard_receiver_change", args=[row.pk]))


def _page(request: HttpRequest, row: Receiver | None) -> HttpResponse:
    initial: dict[str, Any] = {"kind": ReceiverKind.WEBHOOK, "hold_s": 30, "enabled": True}
    if row is not None:
        initial = {name: getattr(row, name) for name in ReceiverForm.base_fields}
        if row.kind == ReceiverKind.WEBHOOK:
            initial["address"] = ""         # many have a secret in them
    form = ReceiverForm(request.POST if request.method == "POST" else None, initial=initial)
    if row is not None and row.kind == ReceiverKind.WEBHOOK:
        form.fields["address"].required = False
        form.fields["address"].help_text = "Empty: the one that is stored stays. A web address; or e-mail addresses, one a line."
    if request.method == "POST":
        must(request, "add_receiver" if row is None else "change_receiver")
        if form.is_valid():
            values = {name: value for name, value in form.cleaned_data.items() if name != "address" or value}
            try:
                row = save_receiver(row, by=request.user, **values)
            except ServiceError as error:
                form.add_error(error.path if error.path in form.fields else None, error.message)
            else:
                messages.success(request, f"{row} is saved. Send a test to see whether it arrives.")
                return HttpResponseRedirect(reverse("admin:dashboard_receiver_change", args=[row.pk]))
    secret = ""
    if row is not None and "reveal" in request.GET and may(request, "change_receiver", "reveal_secrets"):
        if not stepup.has_recent_password(request):
            return HttpResponseRedirect(stepup.confirm_url(request.get_full_path()))
        secret = row.secret
        record(request.user, Verb.REVEALED, row)
    return show(
        request, "../entry/receiver.html", None, title="New receiver" if row is None else f"Receiver {row}", row=row, form=form,
        secret=secret, where=_where(row) if row is not None else "", state=state_of(row) if row is not None else "",
        may_save=may(request, "add_receiver" if row is None else "change_receiver"),
        may_reveal=row is not None and bool(row.secret) and may(request, "change_receiver", "reveal_secrets"),
        may_delete=row is not None and may(request, "delete_receiver"), status=400 if form.errors else 200)
