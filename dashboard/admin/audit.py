"""Who did what. Read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from dashboard.admin.instance_page import must, show
from dashboard.admin.rows import find_row
from dashboard.admin_base import ReadOnlyAdmin
from dashboard.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "shown_actor", "verb", "object_type", "object_name", "instance", "shown_first")
    list_filter = ("verb", "object_type", "instance")
    list_filter_submit = False
    list_select_related = ("instance", "token")
    list_per_page = 100
    show_full_result_count = False
    search_fields = ("actor_name", "object_name", "note")
    date_hierarchy = "at"
    empty_title = "Nothing was done yet"
    empty_words = "Each change is a line here: who made it, when, and what it changed. Secrets are not written down."

    @admin.display(description="who", ordering="actor_name")
    def shown_actor(self, row: AuditEntry) -> str:
        who = row.actor_name or "a command on the host"
        return f"{who} by token {row.token}" if row.token else who

    @admin.display(description="what")
    def shown_first(self, row: AuditEntry) -> str:
        texts = [str(change.get("text", "")) for change in row.changes]
        first = texts[0] if texts else row.note
        return f"{first} (and {len(texts) - 1} more)" if len(texts) > 1 else first or "-"

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "view_auditentry")
        row = find_row(AuditEntry.objects.select_related("instance", "token"), object_id)
        return show(request, "../entry/audit.html", None, title=str(row), row=row, who=self.shown_actor(row))
