"""The document of an instance: shown, downloaded, and the part of it that has no tables edited as text."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from dashboard.accounts.stepup import confirm_url, has_recent_password
from dashboard.admin.code_view import code_lines
from dashboard.admin.instance_page import find_instance, may, must, show
from dashboard.admin.links import instance_link
from dashboard.engine.compile import CannotCompile
from dashboard.engine.content import LIST_PATHS, Body
from dashboard.engine.parse import UnreadableDocument, parse_document, parse_entry
from dashboard.engine.secrets import mask, restore
from dashboard.services.editing import change_rest
from dashboard.services.errors import ServiceError
from dashboard.services.exporting import as_text, export_text
from proxycore.api import Problem, parse, parse_path, render_path

JSON_TYPE: Final = "application/json"
MAX_REST_CHARS: Final = 1024 * 1024


def document_urls(model_admin: Any) -> list[URLPattern]:
    wrap = model_admin.admin_site.admin_view
    return [
        path("<int:pk>/document/", wrap(document), name="dashboard_instance_document"),
        path("<int:pk>/rest/", wrap(rest), name="dashboard_instance_rest"),
    ]


def document(request: HttpRequest, pk: int) -> HttpResponse:
    """`?download=1` as a file; `?secrets=1` with secrets, which needs the right and the password of a moment ago."""
    must(request, "view_instance")
    instance = find_instance(pk)
    with_secrets = "secrets" in request.GET
    if with_secrets:
        here = reverse("admin:dashboard_instance_document", args=[instance.pk])
        refused = ask_for_secrets(request, f"{here}?secrets=1")
        if refused is not None:
            return refused
    try:
        text = export_text(instance, by=request.user, masked=not with_secrets, comments=with_secrets)
    except CannotCompile as error:
        title = f"Instance {instance.name}"
        return show(request, "document.html", instance, title=title, tab="document", problem=str(error), status=409)
    if "download" in request.GET:
        return as_file(text, f"{instance.name}{'' if with_secrets else '-masked'}.json")
    shown, total = code_lines(text)
    answer = show(
        request, "document.html", instance, title=f"Instance {instance.name}", tab="document", lines=shown, total=total,
        is_cut=len(shown) < total, with_secrets=with_secrets, may_reveal=may(request, "reveal_secrets"),
    )
    if with_secrets:
        answer["Cache-Control"] = "no-store"
    return answer


def ask_for_secrets(request: HttpRequest, following: str) -> HttpResponse | None:
    """None if this person may see secrets now; else the answer, which asks for the password and goes on to the page `following`.

    (Not to a download: the page with the password would stay.) Raises PermissionDenied.
    """
    if not may(request, "reveal_secrets"):
        raise PermissionDenied
    if not has_recent_password(request):
        return HttpResponseRedirect(confirm_url(following))
    return None


def as_file(text: str, name: str) -> HttpResponse:
    """`name` is made of what file systems take."""
    safe = "".join(character if character.isalnum() or character in "-_." else "-" for character in name)
    answer = HttpResponse(text, content_type=JSON_TYPE)
    answer["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(safe)}"
    answer["Cache-Control"] = "no-store"
    return answer


class RestForm(forms.Form):
    version = forms.IntegerField(widget=forms.HiddenInput)
    text = forms.CharField(
        max_length=MAX_REST_CHARS, strip=False,
        widget=forms.Textarea(attrs={"class": "x-input", "rows": 24, "spellcheck": "false"}))


def rest(request: HttpRequest, pk: int) -> HttpResponse:
    """What of the document has no table: as JSON, secrets masked. Masks that stay keep what is stored.

    `?field=` is a JSON path to show.
    """
    must(request, "view_instance")
    instance = find_instance(pk)
    initial: dict[str, Any] = {"version": instance.version, "text": as_text(mask(instance.rest_document))}
    form = RestForm(request.POST if request.method == "POST" else None, initial=initial)
    fault: Problem | None = None
    if request.method == "POST":
        must(request, "change_instance")
        if form.is_valid():
            try:
                body = _rest_of(form.cleaned_data["text"])
                body = restore(body, instance.rest_document)
                change_rest(instance, body, by=request.user, expected_version=form.cleaned_data["version"])
            except UnreadableDocument as error:
                fault = error.problems[0]
                form.add_error("text", _placed(fault))
            except ServiceError as error:
                form.add_error("text", f"{error.path}: {error.message}" if error.path else error.message)
            else:
                messages.success(request, "Saved.")
                return HttpResponseRedirect(reverse("admin:dashboard_instance_rest", args=[instance.pk]))
    elif wanted := request.GET.get("field", ""):
        line, column = parse(initial["text"]).line_column(parse_path(wanted))
        fault = Problem("warning", "text", line, column, wanted, f"this is {wanted}")
        form.fields["text"].widget.attrs["data-line"] = line
    shown = code_lines(form["text"].value() or "", {fault.line: (fault.column, fault.message)}, around=3)[0] if fault else []
    return show(
        request, "rest.html", instance, title=f"Instance {instance.name}", tab="rest", form=form, lines=shown,
        status=400 if form.errors else 200, entries_link=instance_link(instance, "inbounds"),
    )


def _rest_of(text: str) -> Body:
    """Raises UnreadableDocument, also where entries stand that belong into tables."""
    body = parse_entry(text, "text")
    content, _ = parse_document(json.dumps(body), "text")
    for kind, entries in content.entries.items():
        if entries:
            path = render_path(LIST_PATHS[kind])
            words = f"add this {kind} on its own tab, or import the document"
            raise UnreadableDocument([Problem("error", "text", 0, 0, path, words)])
    return body


def _placed(problem: Problem) -> str:
    where = f"line {problem.line}, column {problem.column}: " if problem.line else ""
    return f"{where}{problem.message}"
