"""Revisions: their list, what each one changed, its document, and the way back to it. They never change."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.text import Truncator

from dashboard.admin.code_view import code_lines
from dashboard.admin.instance_document import as_file, ask_for_secrets
from dashboard.admin.instance_page import find_instance, may, must, show
from dashboard.admin.links import instance_link
from dashboard.admin.publishing import listed, removed_clients
from dashboard.admin.rows import number_sent
from dashboard.admin_base import ModelAdmin
from dashboard.models import Revision
from dashboard.services.errors import ServiceError, VersionConflict
from dashboard.services.publishing import (
    PublishConflict,
    export_revision,
    newest_number,
    preview_going_back,
    revision_diff,
    roll_back,
)

MAX_SENTENCE_CHARS: Final = 60    # of what changed, in the list
MAX_OTHERS: Final = 200         # revisions to compare with, in the choice


@admin.register(Revision)
class RevisionAdmin(ModelAdmin):
    list_display = ("shown_number", "instance", "shown_author", "comment", "created_at", "shown_summary")
    list_filter = ("instance",)
    list_filter_submit = False
    search_fields = ("instance__name", "author_name", "comment")
    list_select_related = ("instance",)
    list_per_page = 50
    ordering = ("-created_at", "-id")
    actions = None
    empty_title = "Nothing was published yet"
    empty_words = "Each publication of an instance is kept here as it was, to look at and to go back to."

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        hidden = ("document", "rows", "instance__rest", "instance__comments")
        rows: QuerySet = super().get_queryset(request).select_related("instance").defer(*hidden)
        return rows

    def get_urls(self) -> list[URLPattern]:
        own = [path("<int:pk>/rollback/", self.admin_site.admin_view(rollback_page), name="dashboard_revision_rollback")]
        return [*own, *super().get_urls()]

    @admin.display(description="number", ordering="number")
    def shown_number(self, revision: Revision) -> str:
        return f"#{revision.number}"

    @admin.display(description="what changed")
    def shown_summary(self, revision: Revision) -> str:
        if not revision.summary:
            return "nothing"
        more = len(revision.summary) - 1
        return Truncator(revision.summary[0]).chars(MAX_SENTENCE_CHARS) + (f" and {more} more" if more else "")

    @admin.display(description="by", ordering="author_name")
    def shown_author(self, revision: Revision) -> str:
        return revision.author_name or "a command"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return revision_page(request, object_id)


def find_revision(pk: int | str) -> Revision:
    """Raises Http404."""
    try:
        return Revision.objects.select_related("rolled_back_to").get(pk=int(pk))
    except (ValueError, Revision.DoesNotExist):
        raise Http404("there is no such revision") from None


def revision_page(request: HttpRequest, pk: str) -> HttpResponse:
    """`?to=N`: compared with revision N, not with the one before. `?download=1`, `?secrets=1` as on the document's page."""
    must(request, "view_revision", "view_instance")
    revision = find_revision(pk)
    with_secrets = "secrets" in request.GET
    if with_secrets:
        here = reverse("admin:dashboard_revision_change", args=[revision.pk])
        refused = ask_for_secrets(request, f"{here}?secrets=1")
        if refused is not None:
            return refused
    text = export_revision(revision, by=request.user, masked=not with_secrets)
    instance = find_instance(revision.instance_id)
    if "download" in request.GET:
        return as_file(text, f"{instance.name}-{revision.number}{'' if with_secrets else '-masked'}.json")
    numbers = list(Revision.objects.filter(instance=instance).order_by("-number").values_list("number", flat=True))
    other = _other(request, revision, numbers)
    lines, total = code_lines(text)
    answer = show(
        request, "revision.html", instance, title=f"{instance.name}, revision {revision.number}", tab="revisions",
        revision=revision, newest=numbers[0], others=[one for one in numbers if one != revision.number][:MAX_OTHERS], other=other,
        **listed(revision_diff(revision, other)), lines=lines, total=total, is_cut=len(lines) < total,
        with_secrets=with_secrets, may_reveal=may(request, "reveal_secrets"), may_publish=may(request, "publish_instance"),
    )
    if with_secrets:
        answer["Cache-Control"] = "no-store"
    return answer


def _other(request: HttpRequest, revision: Revision, numbers: list[int]) -> Revision | None:
    """The revision to compare with; None: there is none before it. Raises Http404."""
    asked = request.GET.get("to", "")
    if not asked:
        before = [number for number in numbers if number < revision.number]
        return Revision.objects.get(instance=revision.instance_id, number=before[0]) if before else None
    if not (asked.isascii() and asked.isdigit() and int(asked[:9]) in numbers):
        raise Http404("there is no such revision")
    return Revision.objects.get(instance=revision.instance_id, number=int(asked[:9]))


def rollback_page(request: HttpRequest, pk: int) -> HttpResponse:
    must(request, "publish_instance")
    revision = find_revision(pk)
    instance = find_instance(revision.instance_id)
    told, status = "", 200
    if request.method == "POST":
        try:
            made = roll_back(
                instance, revision, by=request.user, comment=request.POST.get("comment", ""),
                expected_number=number_sent(request, "number"),
                expected_version=number_sent(request, "version"))
        except (PublishConflict, VersionConflict) as conflict:
            told, status = f"{conflict.message[:1].upper()}{conflict.message[1:]}. This is what would change now.", 409
        except ServiceError as error:
            told, status = f"{instance.name} stays as it is: {error.message}.", 400
        else:
            words = f"{instance.name} is back at revision {revision.number}, published as revision {made.number}."
            messages.success(request, words)
            return HttpResponseRedirect(instance_link(instance))
        instance = find_instance(revision.instance_id)
    changes = preview_going_back(instance, revision)
    return show(
        request, "rollback.html", instance, title=f"Roll {instance.name} back", tab="revisions", revision=revision,
        newest=newest_number(instance), told=told, no_bar=True, lost_clients=removed_clients(changes), **listed(changes),
        comment=request.POST.get("comment", ""), status=status,
    )
