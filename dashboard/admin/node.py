"""Hosts that run instances."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import may, must
from dashboard.admin.links import page_link
from dashboard.admin.node_pages import about_node, list_page, node_urls
from dashboard.admin.rows import find_row
from dashboard.admin_base import ModelAdmin
from dashboard.choices import Verb
from dashboard.models import Node
from dashboard.services.auditing import record
from dashboard.services.nodes import delete


@admin.register(Node)
class NodeAdmin(ModelAdmin):
    list_display = ("name", "address", "shown_instances", "note")
    search_fields = ("name", "address", "note")
    fields = ("name", "address", "note")
    change_form_outer_before_template = "admin/dashboard/node/before_form.html"

    def get_urls(self) -> list[URLPattern]:
        return [*node_urls(self), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return list_page(request)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "view_node")
        node = find_row(Node, object_id)
        about = {**(extra_context or {}), **about_node(request, node)} if request.method == "GET" else extra_context
        shown: HttpResponse = super().change_view(request, object_id, form_url, about)
        return shown

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        counted: QuerySet = rows.annotate(instance_count=Count("instances"))
        return counted

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not while something runs there, or its agent would go on with what it has."""
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or not (obj.is_local or obj.is_let_in or obj.instances.exists()))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What the audit log says of it, for who may read that."""
        must(request, "view_node")
        if not may(request, "view_auditentry"):
            shown: HttpResponse = super().history_view(request, object_id, extra_context)
            return shown
        node = find_row(Node, object_id)
        query = {"object_type__exact": "node", "q": node.name}
        return HttpResponseRedirect(page_link("admin:dashboard_auditentry_changelist", **query))

    @admin.display(description="instances")
    def shown_instances(self, node: Any) -> str:
        return str(node.instance_count)

    def save_model(self, request: HttpRequest, obj: Node, form: Any, change: bool) -> None:
        if change:      # what its connection writes, and whether it is let in, is not this form's
            obj.save(update_fields=[*form.changed_data, "updated_at"])
        else:
            obj.save()
        record(request.user, Verb.CHANGED if change else Verb.CREATED, obj, note=", ".join(form.changed_data))

    def delete_model(self, request: HttpRequest, obj: Node) -> None:
        delete(obj, by=request.user)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """The audit log has it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """The audit log has it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """The audit log has it."""
