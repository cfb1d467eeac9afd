"""Importing a document: paste it, see what will change, confirm."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.code_view import CodeLine, code_lines
from dashboard.admin.instance_page import find_instance, must, show
from dashboard.admin.links import instance_link
from dashboard.admin.placed import by_severity, shown_of_text
from dashboard.admin_base import Select, TextInput
from dashboard.engine.diff import Change, without_empty_lists
from dashboard.engine.parse import UnreadableDocument
from dashboard.models import Instance, Node
from dashboard.services.errors import ServiceError
from dashboard.services.importing import Preview, import_document, import_new, preview
from dashboard.services.instances import local_node
from proxycore.api import Problem

MAX_DOCUMENT_CHARS: Final = 16 * 1024 * 1024
MAX_LISTED: Final = 300         # changes or findings on the page; more are counted
LINES_AROUND: Final = 3


def importing_urls(model_admin: Any) -> list[URLPattern]:
    wrap = model_admin.admin_site.admin_view
    return [
        path("import/", wrap(import_as_new), name="dashboard_import"),
        path("<int:pk>/import/", wrap(import_into), name="dashboard_instance_import"),
    ]


class DocumentForm(forms.Form):
    """`seen` and `version`: what the preview was made of."""

    text = forms.CharField(
        required=False, max_length=MAX_DOCUMENT_CHARS, strip=False, label="Document",
        widget=forms.Textarea(attrs={"class": "x-input", "rows": 18, "spellcheck": "false", "autocomplete": "off"}))
    file = forms.FileField(required=False)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("file"):
            values["text"] = self._of_file(values["file"])
        if not (values.get("text") or "").strip() and not self.errors:
            self.add_error("text", "Paste a document, or choose its file.")
        return values

    def _of_file(self, file: Any) -> str:
        if file.size > MAX_DOCUMENT_CHARS:
            self.add_error("text", f"The file has more than {MAX_DOCUMENT_CHARS // 1024**2} MiB.")
            return ""
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.add_error("text", "The file is not text in UTF-8.")
            return ""


class NewDocumentForm(DocumentForm):
    name = forms.CharField(max_length=64, widget=TextInput(), help_text="of the new instance")
    node = forms.ModelChoiceField(Node.objects.all(), widget=Select(), empty_label=None, help_text="the host that runs it")
    field_order = ("name", "node", "text", "file")


def import_as_new(request: HttpRequest) -> HttpResponse:
    must(request, "import_instance", "add_instance")
    form = NewDocumentForm(_posted(request), _files(request), initial={"node": local_node().pk})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        if _is_confirmed(request, values):
            try:
                made, _ = import_new(values["text"], name=values["name"], node=values["node"], by=request.user)
            except ServiceError as error:
                form.add_error(error.path if error.path in form.fields else None, error.message)
            except UnreadableDocument as error:
                return _show(request, None, form, errors=error.problems)
            else:
                messages.success(request, f"{made.name} holds the document now. Nothing is published yet.")
                return HttpResponseRedirect(instance_link(made))
        if Instance.objects.filter(name=values["name"]).exists():
            form.add_error("name", "An instance has this name. Open it to import into it.")
        return _previewed(request, None, form)
    return _show(request, None, form)


def import_into(request: HttpRequest, pk: int) -> HttpResponse:
    must(request, "import_instance", "change_instance")
    instance = find_instance(pk)
    form = DocumentForm(_posted(request), _files(request))
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        if _is_confirmed(request, values):
            try:
                done = import_document(instance, values["text"], by=request.user, expected_version=values["version"])
            except ServiceError as error:
                form.add_error(None, f"{error.message}. Below is what would change now.")
                instance.refresh_from_db()
            except UnreadableDocument as error:
                return _show(request, instance, form, errors=error.problems)
            else:
                messages.success(request, f"Imported: {len(done.changes)} changes. Nothing is published yet.")
                return HttpResponseRedirect(instance_link(instance))
        return _previewed(request, instance, form)
    return _show(request, instance, form)


def _posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _files(request: HttpRequest) -> Any:
    return request.FILES if request.method == "POST" else None


def _is_confirmed(request: HttpRequest, values: dict[str, Any]) -> bool:
    return "confirm" in request.POST and values["seen"] == _mark(values["text"])


def _mark(text: str) -> str:
    """So that what is imported is what was shown. Line breaks differ: forms send CR LF."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def _previewed(request: HttpRequest, instance: Instance | None, form: DocumentForm) -> HttpResponse:
    values = form.cleaned_data
    text = values["text"]
    data = QueryDict(mutable=True)
    data.update({name: value for name, value in form.data.items() if name != "csrfmiddlewaretoken"})
    data["text"] = text             # of a file, too
    data["seen"] = ""
    form.data = data
    try:
        found = preview(text, instance, node=values.get("node"))
    except UnreadableDocument as error:
        return _show(request, instance, form, errors=error.problems)
    if not form.errors:
        data["seen"] = _mark(text)
    data["version"] = str(found.version) if found.version is not None else ""
    return _show(request, instance, form, found=found, is_stale="confirm" in request.POST and values["seen"] != _mark(text))


def _show(
    request: HttpRequest, instance: Instance | None, form: DocumentForm, *, found: Preview | None = None,
    errors: list[Problem] | None = None, is_stale: bool = False,
) -> HttpResponse:
    errors = errors or []
    context: dict[str, Any] = {
        "form": form, "found": found, "errors": errors, "lines": _where(form, errors), "is_stale": is_stale,
        "may_confirm": found is not None and not form.errors,
    }
    if found is not None:
        changes = without_empty_lists(found.changes)
        said = by_severity([*map(shown_of_text, found.problems), *map(shown_of_text, found.findings)])
        context |= {
            "changes": changes[:MAX_LISTED], "more_changes": max(0, len(changes) - MAX_LISTED),
            "counts_of_changes": _counted(changes), "findings": said[:MAX_LISTED],
            "more_findings": max(0, len(said) - MAX_LISTED), "lost_clients": _removed_clients(found),
        }
    title = f"Instance {instance.name}" if instance is not None else "Import a document"
    status = 400 if errors or form.errors else 200
    answer = show(request, "import.html", instance, title=title, tab="import", status=status, **context)
    answer["Cache-Control"] = "no-store"        # the text has secrets
    return answer


def _where(form: DocumentForm, errors: list[Problem]) -> list[CodeLine]:
    notes: dict[int, tuple[int, str]] = {}
    for problem in errors:
        if problem.line:
            notes.setdefault(problem.line, (problem.column, problem.message))
    if not notes:
        return []
    text = (form.cleaned_data.get("text") or "").replace("\r\n", "\n")
    return code_lines(text, notes, around=LINES_AROUND)[0]


def _counted(changes: list[Change]) -> str:
    numbers: dict[str, int] = {}
    for change in changes:
        numbers[change.kind] = numbers.get(change.kind, 0) + 1
    return ", ".join(f"{number} {kind}" for kind, number in numbers.items())


def _removed_clients(found: Preview) -> int:
    return sum(change.kind == "removed" and change.what.startswith("client") for change in found.changes)
