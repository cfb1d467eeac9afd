"""What happened on nodes. Read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from dashboard.admin.instance_page import must, show
from dashboard.admin.rows import find_row
from dashboard.admin_base import ReadOnlyAdmin
from dashboard.models import NodeEvent


@admin.register(NodeEvent)
class NodeEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "shown_kind", "node", "instance", "tag", "text", "source", "count")
    list_filter = ("kind", "node", "instance")
    list_filter_submit = False
    list_select_related = ("node", "instance")
    list_per_page = 100
    show_full_result_count = False
    search_fields = ("text", "tag", "source")
    date_hierarchy = "at"
    empty_title = "Nothing has happened yet"
    empty_words = "Tunnels that come and go, workers that die, connections that were refused and why: each is a line here."

    @admin.display(description="what", ordering="kind")
    def shown_kind(self, row: NodeEvent) -> str:
        return row.kind.replace("_", " ")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "view_nodeevent")
        row = find_row(NodeEvent.objects.select_related("node", "instance"), object_id)
        return show(request, "../node/event.html", None, title=self.shown_kind(row).capitalize(), row=row)
