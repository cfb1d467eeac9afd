"""Clients of inbounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from dashboard.admin import entry_page
from dashboard.admin.entry_editors import ClientEditor
from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.links import page_link
from dashboard.admin.rows import find_row, named
from dashboard.admin_base import ModelAdmin, display
from dashboard.models import Credential, Inbound
from dashboard.services.clients import delete_clients, reset_usage
from dashboard.services.switching import set_enabled

MAX_LISTED = 50
_COLOURS = {"on": "success", "off": "info", "expired": "warning", "used up": "warning"}


class UsableFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("on", "can connect"), ("off", "switched off"), ("expired", "expired"), ("used", "used up")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        expired = Q(expires_at__lte=timezone.now())
        used = Q(used_bytes__gte=F("data_limit_bytes"))
        wanted = self.value()
        if wanted == "off":
            return queryset.filter(enabled=False)
        if wanted == "expired":
            return queryset.filter(expired)
        if wanted == "used":
            return queryset.filter(used)
        return queryset.usable() if wanted == "on" else queryset        # type: ignore[attr-defined]


class OfInboundFilter(admin.SimpleListFilter):
    """By links only: of thousands of inbounds no list is made."""

    title = "inbound"
    parameter_name = "inbound__id__exact"
    template = "admin/dashboard/entry/of_inbound.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        pk = request.GET.get(self.parameter_name, "")
        inbound = _inbound(pk)
        return [(pk, str(inbound))] if inbound is not None else []

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = self.value()
        return queryset.filter(inbound=wanted) if wanted else queryset


def _inbound(pk: str) -> Inbound | None:
    if not (pk.isascii() and pk.isdigit() and len(pk) < 18):
        return None
    return Inbound.objects.select_related("instance").defer("body", "comments").filter(pk=pk).first()


@admin.register(Credential)
class CredentialAdmin(ModelAdmin):
    list_display = ("shown_name", "inbound", "instance_name", "shown_state", "shown_used", "shown_expiry", "level")
    list_filter = (UsableFilter, OfInboundFilter, "inbound__instance", "inbound__protocol")
    list_filter_submit = False
    list_select_related = ("inbound", "inbound__instance")
    list_per_page = 100
    show_full_result_count = False
    search_fields = ("email", "note", "inbound__tag")
    ordering = ("inbound", "position", "id")
    actions = ("switch_on", "switch_off", "start_from_zero", "delete_checked")
    list_before_template = "admin/dashboard/entry/clients_before.html"
    empty_title = "No clients yet"
    empty_words = "A client may connect to its inbound, by an id or a password of its own. Those of imported documents are here."
    empty_button = "Add the first client"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        return rows.defer(
            "body", "comments", "inbound__body", "inbound__comments", "inbound__instance__rest", "inbound__instance__comments")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        inbound = _inbound(request.GET.get("inbound__id__exact", ""))
        shown: HttpResponse = super().changelist_view(request, {"of_inbound": inbound, **(extra_context or {})})
        return shown

    @admin.display(description="client", ordering="email")
    def shown_name(self, row: Credential) -> str:
        return str(row)

    @admin.display(description="instance", ordering="inbound__instance__name")
    def instance_name(self, row: Credential) -> str:
        return row.inbound.instance.name

    @display(description="state", label=_COLOURS)  # type: ignore[untyped-decorator]
    def shown_state(self, row: Credential) -> str:
        if not row.enabled:
            return "off"
        return "expired" if row.is_expired else "used up" if row.is_used_up else "on"

    @admin.display(description="used", ordering="used_bytes")
    def shown_used(self, row: Credential) -> str:
        used = filesizeformat(row.used_bytes)
        return f"{used} of {filesizeformat(row.data_limit_bytes)}" if row.data_limit_bytes is not None else used

    @admin.display(description="expires", ordering="expires_at")
    def shown_expiry(self, row: Credential) -> str:
        return row.expires_at.strftime("%Y-%m-%d %H:%M UTC") if row.expires_at else "never"

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.message_user(request, f"{set_enabled(queryset, True, by=request.user)} switched on.")

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.message_user(request, f"{set_enabled(queryset, False, by=request.user)} switched off.")

    @admin.action(description="Start their data from zero", permissions=["change"])
    def start_from_zero(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.message_user(request, f"{reset_usage(queryset, by=request.user)} start from zero.")

    @admin.action(description="Delete", permissions=["delete"])
    def delete_checked(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return _delete(request, list(queryset), action="delete_checked")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "add_credential")
        inbound = _inbound(request.GET.get("inbound", ""))
        if inbound is None:
            rows = Inbound.objects.select_related("instance").defer("body", "comments", "instance__rest", "instance__comments")
            return show(
                request, "../entry/choose_inbound.html", None, title="New client",
                inbounds=rows.order_by("instance__name", "position")[:500])
        inbound = Inbound.objects.get(pk=inbound.pk)
        inbound.instance = find_instance(inbound.instance_id)
        return entry_page.edit(request, ClientEditor(inbound, None))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "view_credential")
        row = _find(object_id)
        row.inbound.instance = find_instance(row.inbound.instance_id)
        return entry_page.edit(request, ClientEditor(row.inbound, row))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        must(request, "delete_credential")
        row = _find(object_id)
        done = _delete(request, [row])
        return done or HttpResponseRedirect(_list(row))


def _find(object_id: str) -> Credential:
    row: Credential = find_row(Credential.objects.select_related("inbound"), object_id)
    return row


def _list(row: Credential) -> str:
    return page_link("admin:dashboard_credential_changelist", inbound__id__exact=row.inbound_id)


def _delete(request: HttpRequest, rows: list[Credential], action: str = "") -> HttpResponse | None:
    if not rows:
        messages.info(request, "There is nothing to delete: what you chose is gone.")
        return None
    if request.POST.get("confirmed"):
        number = delete_clients(rows, by=request.user)
        messages.success(request, f"{number} client{'s' if number != 1 else ''} deleted.")
        return None
    title = f"Delete {len(rows)} clients" if len(rows) > 1 else f"Delete {named('client', rows[0])} of {rows[0].inbound}"
    return show(
        request, "../entry/delete.html", None, title=title, rows=rows, shown=rows[:MAX_LISTED], kind="client", action=action,
        more=max(0, len(rows) - MAX_LISTED), keep=_list(rows[0]),
    )
