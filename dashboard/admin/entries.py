"""Lists of entries of all instances, and the way to the page of each one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin import entry_page
from dashboard.admin.entry_editors import EntryEditor
from dashboard.admin.entry_order import order
from dashboard.admin.entry_tables import PLURALS, WHAT_THEY_ARE
from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.links import change_link, instance_link
from dashboard.admin.rows import find_row, named
from dashboard.admin_base import ModelAdmin
from dashboard.engine.content import Kind
from dashboard.models import Balancer, Bridge, Credential, Inbound, Instance, Outbound, Portal, RoutingRule
from dashboard.models import Entry as EntryModel
from dashboard.services.editing import clone_entry, delete_entries, what_would_break
from dashboard.services.errors import ServiceError, WouldBreak
from dashboard.services.switching import set_enabled

MAX_LISTED: Final = 50


class EntryAdmin(ModelAdmin):
    """Of one kind. Nothing is written but by services."""

    kind: Kind
    list_filter: Any = ("instance", "enabled")
    list_per_page = 100
    list_select_related = ("instance",)
    list_filter_submit = False
    show_full_result_count = False
    ordering = ("instance__name", "position", "id")
    actions = ("switch_on", "switch_off", "clone", "delete_checked")
    list_before_template = "admin/dashboard/entry/list_before.html"
    is_ordered = False
    """Whether the order of its entries means something to people."""

    @property
    def empty_title(self) -> str:
        return f"No {PLURALS[self.kind]} yet"

    @property
    def empty_words(self) -> str:
        return WHAT_THEY_ARE[self.kind]

    @property
    def empty_button(self) -> str:
        return f"Add the first {self.kind}"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        return rows.defer("body", "comments", "instance__rest", "instance__comments")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)        # ours says what would break
        return actions

    def get_urls(self) -> list[URLPattern]:
        name = self.model._meta.model_name
        wrap = self.admin_site.admin_view

        def order_view(request: HttpRequest, pk: int) -> HttpResponse:
            return order(request, self.kind, pk)

        own = [path("order/<int:pk>/", wrap(order_view), name=f"dashboard_{name}_order")] if self.is_ordered else []
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        pk = request.GET.get("instance__id__exact", "")
        instance = Instance.objects.filter(pk=pk).only("name").first() if pk.isascii() and pk.isdigit() and len(pk) < 18 else None
        context = {"of_instance": instance, "kind": self.kind, "is_ordered": self.is_ordered, **(extra_context or {})}
        shown: HttpResponse = super().changelist_view(request, context)
        return shown

    # --- lists
    @admin.display(description="name", ordering="tag")
    def shown_name(self, row: Any) -> str:
        return str(row)

    @admin.display(description="state", ordering="enabled")
    def shown_enabled(self, row: Any) -> str:
        return "on" if row.enabled else "off"

    @admin.display(description="place", ordering="position")
    def shown_place(self, row: Any) -> str:
        return str(row.position + 1)

    @admin.display(description="transport")
    def shown_transport(self, row: Any) -> str:
        return " + ".join(word for word in (row.network, row.security) if word and word != "none") or "-"

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._switch(request, queryset, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet, enabled: bool) -> None:
        try:
            switched = set_enabled(queryset, enabled, by=request.user)
        except ServiceError as error:
            self.message_user(request, f"Nothing was switched: {error.message}.", messages.ERROR)
        else:
            self.message_user(request, f"{switched} switched {'on' if enabled else 'off'}.")

    @admin.action(description="Clone", permissions=["add"])
    def clone(self, request: HttpRequest, queryset: QuerySet) -> None:
        made = [clone_entry(row, by=request.user) for row in queryset]
        self.message_user(request, f"{len(made)} cloned, each behind its original. Inbounds are off, and without clients.")

    @admin.action(description="Delete", permissions=["delete"])
    def delete_checked(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return delete(request, list(queryset), self.kind, action="delete_checked")

    # --- one entry
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, f"add_{self.model._meta.model_name}")
        pk = request.GET.get("instance", "")
        if not pk:
            return show(
                request, "../entry/choose.html", None, title=f"New {self.kind}", kind=self.kind,
                instances=Instance.objects.select_related("node").defer("rest", "comments"))
        return entry_page.edit(request, EntryEditor(self.kind, find_instance(pk), None))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, f"view_{self.model._meta.model_name}")
        row = self._row(object_id)
        return entry_page.edit(request, EntryEditor(self.kind, find_instance(row.instance_id), row))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        must(request, f"delete_{self.model._meta.model_name}")
        row = self._row(object_id)
        done = delete(request, [row], self.kind)
        return done or HttpResponseRedirect(instance_link(row.instance, f"{self.kind}s"))

    def _row(self, object_id: str) -> Any:
        return find_row(self.model._default_manager.select_related("instance"), object_id)


def delete(request: HttpRequest, rows: list[EntryModel], kind: Kind, action: str = "") -> HttpResponse | None:
    """The question, with what would break; None: it is done. `action`: of the list that it was asked from."""
    if not rows:
        messages.info(request, "There is nothing to delete: what you chose is gone.")
        return None
    references = what_would_break(rows)
    if request.POST.get("confirmed") and (not references or request.POST.get("anyway")):
        try:
            number = delete_entries(rows, by=request.user, anyway=bool(references))
        except WouldBreak as error:
            references = error.references
        else:
            messages.success(request, f"{number} {kind}{'s' if number != 1 else ''} deleted.")
            return None
    title = f"Delete {len(rows)} {kind}s" if len(rows) > 1 else f"Delete {named(str(kind), rows[0])} of {rows[0].instance}"
    return show(
        request, "../entry/delete.html", None, title=title,
        rows=rows, shown=rows[:MAX_LISTED], more=max(0, len(rows) - MAX_LISTED), kind=kind, action=action,
        references=[(one, change_link(one.kind, one.pk) if one.kind and one.pk else "") for one in references[:MAX_LISTED]],
        more_references=max(0, len(references) - MAX_LISTED), clients=_clients(rows),
        keep=instance_link(rows[0].instance, f"{kind}s"),
    )


def _clients(rows: Iterable[EntryModel]) -> int:
    pks = [row.pk for row in rows if isinstance(row, Inbound)]
    return Inbound.objects.filter(pk__in=pks[:1000]).aggregate(n=Count("credentials"))["n"] if pks else 0


@admin.register(Inbound)
class InboundAdmin(EntryAdmin):
    kind = Kind.INBOUND
    list_display = ("shown_name", "instance", "protocol", "listen", "port", "shown_transport", "shown_clients", "shown_enabled")
    list_filter = ("instance", "protocol", "enabled")
    search_fields = ("tag", "port", "listen", "instance__name")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        clients = Credential.objects.filter(inbound=OuterRef("pk")).order_by().values("inbound").annotate(n=Count("pk"))
        rows: QuerySet = super().get_queryset(request).annotate(client_count=Coalesce(Subquery(clients.values("n")), 0))
        return rows

    @admin.display(description="clients", ordering="client_count")
    def shown_clients(self, row: Any) -> str:
        return str(row.client_count) if row.client_count else "-"


@admin.register(Outbound)
class OutboundAdmin(EntryAdmin):
    kind = Kind.OUTBOUND
    is_ordered = True
    list_display = ("shown_name", "instance", "shown_place", "protocol", "address", "port", "shown_transport", "shown_enabled")
    list_filter = ("instance", "protocol", "enabled")
    search_fields = ("tag", "address", "instance__name")

    @admin.display(description="place", ordering="position")
    def shown_place(self, row: Any) -> str:
        return "1 (default)" if row.position == 0 else str(row.position + 1)


@admin.register(Portal)
class PortalAdmin(EntryAdmin):
    kind = Kind.PORTAL
    list_display = ("shown_name", "instance", "domain", "shown_enabled")
    search_fields = ("tag", "domain", "instance__name")


@admin.register(Bridge)
class BridgeAdmin(EntryAdmin):
    kind = Kind.BRIDGE
    list_display = ("shown_name", "instance", "domain", "shown_enabled")
    search_fields = ("tag", "domain", "instance__name")


@admin.register(RoutingRule)
class RoutingRuleAdmin(EntryAdmin):
    kind = Kind.RULE
    is_ordered = True
    list_display = ("shown_name", "instance", "shown_place", "outbound_tag", "balancer_tag", "shown_enabled")
    search_fields = ("rule_tag", "outbound_tag", "balancer_tag", "instance__name")

    @admin.display(description="name", ordering="rule_tag")
    def shown_name(self, row: Any) -> str:
        return str(row)


@admin.register(Balancer)
class BalancerAdmin(EntryAdmin):
    kind = Kind.BALANCER
    list_display = ("shown_name", "instance", "strategy", "fallback_tag", "shown_enabled")
    search_fields = ("tag", "instance__name")
