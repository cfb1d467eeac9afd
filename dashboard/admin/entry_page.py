"""The page of one entry: a form and its JSON, two views of one thing.

Everything that was typed travels with each request (`base`: the JSON under the form), so going from one view to the
other, or to another protocol, loses nothing and saves nothing.
"""

from __future__ import annotations

import json
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.text import capfirst

from dashboard.accounts import stepup
from dashboard.admin.entry_editors import Editor, fingerprint
from dashboard.admin.instance_page import may, must, show
from dashboard.admin.rows import named
from dashboard.choices import Verb
from dashboard.engine.content import Body
from dashboard.engine.parse import UnreadableDocument, parse_entry
from dashboard.engine.secrets import MASK, mask, restore
from dashboard.forms.entry_form import EntryForm, EntryProblem, entry_form, initial_of, nearest_field
from dashboard.services.auditing import record
from dashboard.services.errors import ServiceError, VersionConflict
from proxycore.api import parse_path, render_path

MAX_JSON_CHARS: Final = 4_000_000
_INDENT: Final = 2


def edit(request: HttpRequest, editor: Editor) -> HttpResponse:
    """Show it, change the view of it, or save it. The caller has checked that the person may see it."""
    return _Page(request, editor).answer()


class _Page:
    def __init__(self, request: HttpRequest, editor: Editor) -> None:
        self.request, self.editor = request, editor
        model = "credential" if editor.name == "client" else _MODEL_NAMES.get(editor.name, editor.name)
        self.may_save = may(request, f"add_{model}" if editor.row is None else f"change_{model}")
        self.may_delete = editor.row is not None and may(request, f"delete_{model}")
        self.model = model
        self.is_json = False
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.form: EntryForm | None = None
        self.text = ""
        self.base: Body = {}
        self.conflict = False
        self.offers_anyway = False
        self.extra = editor.extra(None)

    def answer(self) -> HttpResponse:
        if self.request.method != "POST":
            return self._first()
        must(self.request, f"add_{self.model}" if self.editor.row is None else f"change_{self.model}")
        body = self._read()
        self.extra = self.editor.extra(self.request.POST)
        if body is None:
            return self._shown(400)
        wanted = self.request.POST.get("do", "save")
        if wanted == "protocol":
            body = self._other_protocol(body)
        if wanted in ("form", "json", "protocol"):
            self.is_json = wanted == "json"
            self._lay_out(body)
            return self._shown()
        return self._save(body)

    def _first(self) -> HttpResponse:
        entry = self.editor.stored()
        is_revealed = False
        if self.editor.row is not None:
            if "reveal" in self.request.GET and may(self.request, "reveal_secrets"):
                if not stepup.has_recent_password(self.request):
                    return HttpResponseRedirect(stepup.confirm_url(self.request.get_full_path()))
                record(self.request.user, Verb.REVEALED, self.editor.row, instance=self.editor.instance)
                is_revealed = True
            else:
                entry = mask(entry)
        self.is_json = self.request.GET.get("as") == "json"
        self._lay_out(entry)
        return self._shown(is_revealed=is_revealed)

    def _lay_out(self, body: Body) -> None:
        """Both views of `body`, untouched."""
        self.base, self.text = body, _as_text(body)
        groups = self.editor.groups(body)
        self.form = entry_form(groups)(initial=initial_of(groups, body))

    def _read(self) -> Body | None:
        """What was sent; None: it cannot be read, and the page says why."""
        sent = self.request.POST
        self.is_json = sent.get("mode") == "json"
        try:
            if self.is_json:
                self.text = sent.get("text", "")[:MAX_JSON_CHARS]
                body = parse_entry(self.text)
                self._lay_out(body)
                self.text = sent.get("text", "")
                return body
            self.base = parse_entry(sent.get("base", "")[:MAX_JSON_CHARS])
        except UnreadableDocument as error:
            self.problems += [_in_words(problem) for problem in error.problems]
            if not self.is_json:
                self._lay_out(mask(self.editor.stored()))
            return None
        groups = self.editor.groups(self.base)
        self.form = entry_form(groups)(sent, initial=initial_of(groups, self.base))
        if not self.form.is_valid():
            return None
        changed: Body = self.form.changed_entry(self.base)
        return changed

    def _other_protocol(self, body: Body) -> Body:
        wanted = self.request.POST.get("protocol", "")
        if not wanted or wanted == body.get("protocol"):
            return body
        return {key: value for key, value in {**body, "protocol": wanted}.items() if key.lower() != "settings"}

    def _save(self, body: Body) -> HttpResponse:
        editor = self.editor
        if not self.extra.is_valid():
            return self._shown(400)
        version = editor.instance.version
        if editor.row is not None and self.request.POST.get("seen") != fingerprint(editor):
            self.conflict = True
            return self._shown(409)
        whole = restore(body, editor.stored()) if editor.row is not None else body
        found = editor.problems(whole)
        errors = [one for one in found if one.severity == "error"]
        if errors and "anyway" not in self.request.POST:
            self.offers_anyway = True
            self._tell([EntryProblem(one.path, one.message) for one in errors])
            return self._shown(400)
        try:
            row = editor.save(body, self.extra.cleaned_data, self.request.user, version)  # type: ignore[arg-type]
        except VersionConflict:
            self.problems.append("Somebody saved something else of this instance at the same moment. Save again.")
            return self._shown(409)
        except ServiceError as error:
            self._tell([EntryProblem(parse_path(error.path), error.message)])
            return self._shown(400)
        for problem in found:
            messages.warning(self.request, f"{render_path(problem.path)}: {problem.message}" if problem.path else problem.message)
        messages.success(self.request, f"{capfirst(named(editor.name, row))} is saved. It runs when the instance is published.")
        stays = {"as": "json"} if self.is_json else {}
        return HttpResponseRedirect(f"{editor.link(row)}{'?' if stays else ''}{urlencode(stays)}")

    def _tell(self, problems: list[EntryProblem]) -> None:
        if self.is_json or self.form is None or not self.form.is_bound:
            self.problems += [f"{render_path(one.place)}: {one.message}" if one.place else one.message for one in problems]
        else:
            self.form.place_problems(problems)

    def _shown(self, status: int = 200, *, is_revealed: bool = False) -> HttpResponse:
        editor = self.editor
        form = self.form
        groups = []
        place = parse_path(self.request.GET.get("field", "")) if "field" in self.request.GET else ()
        wanted = nearest_field(form.groups, place) if form is not None and place else None
        for group in form.groups if form is not None else ():
            bound = [form[field.name] for field in group.fields]       # type: ignore[index]
            has_errors = form is not None and form.is_bound and any(field.errors for field in bound)
            is_wanted = wanted is not None and wanted in group.fields
            has_values = any(form is not None and _is_filled(form, field.name) for field in group.fields)
            groups.append({
                "title": group.title, "fields": [_shown_field(*pair, wanted) for pair in zip(group.fields, bound, strict=True)],
                "is_folded": group.is_advanced, "is_open": has_errors or is_wanted or has_values,
                "shown_if": group.shown_if,
            })
        text = self.text
        masked = MASK in text
        row = editor.row
        return show(
            self.request, "../entry/page.html", editor.instance, title=editor.title, tab=f"{editor.name}s", status=status,
            editor=editor, row=row, form=form, groups=groups, extra=self.extra, is_json=self.is_json, text=text,
            base=_as_text(self.base), seen=fingerprint(editor), problems=self.problems, conflict=self.conflict,
            offers_anyway=self.offers_anyway, protocols=editor.protocols(self.base), protocol=self.base.get("protocol", ""),
            back=editor.back, may_save=self.may_save, may_delete=self.may_delete, masked=masked, is_revealed=is_revealed,
            may_reveal=masked and row is not None and may(self.request, "reveal_secrets"),
            stored_now=_as_text(mask(editor.stored())) if self.conflict else "",
            model=self.model, field_path=self.request.GET.get("field", ""), has_field=wanted is not None,
        )


_MODEL_NAMES: Final = {"rule": "routingrule"}


def _shown_field(field: Any, bound: forms.BoundField, wanted: Any) -> dict[str, Any]:
    secret = field.kind == "secret"
    makes = ("uuid" if field.label == "ID" else "password") if secret else ""
    return {"bound": bound, "field": field, "makes": makes, "is_wanted": field is wanted, "is_switch": field.kind == "switch"}


def _is_filled(form: EntryForm, name: str) -> bool:
    initial = form.initial.get(name)
    return initial not in (None, "", False) and initial != form.fields[name].widget.attrs.get("placeholder")


def _as_text(body: Body) -> str:
    return json.dumps(body, ensure_ascii=False, indent=_INDENT)


def _in_words(problem: Any) -> str:
    where = f"Line {problem.line}, column {problem.column}: " if problem.line else ""
    return f"{where}{problem.message}"
