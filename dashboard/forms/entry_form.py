"""A Django form for one entry: initial values out of the entry, what was changed back into it, errors on their field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.utils import ErrorDict

from dashboard.admin_base import NumberInput, Select, Switch, Textarea, TextInput
from dashboard.engine.parse import UnreadableDocument, parse_entry
from dashboard.forms.entry_fields import NETWORK_NAMES, Group
from dashboard.forms.places import ABSENT, Place, value_at, with_value
from dashboard.forms.schema_fields import SchemaField

MAX_TEXT = 64 * 1024        # characters of one field


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """What is wrong in an entry, and where."""

    place: Place
    message: str


class EntryForm(forms.Form):
    """Made by `entry_form`; `groups` say what stands where."""

    groups: Sequence[Group] = ()

    def changed_entry(self, entry: Any) -> Any:
        """`entry` with what the person changed. Values that were left as they were stay as they are written."""
        for group in self.groups:
            for field in group.fields:
                if field.name not in self.changed_data:
                    continue
                value = _written(field, self.cleaned_data.get(field.name))
                if value is ABSENT and value_at(entry, field.place) is ABSENT:
                    continue
                if value == field.default and value_at(entry, field.place) is ABSENT:
                    continue
                entry = with_value(entry, field.place, value)
        return entry

    def place_problems(self, problems: Iterable[EntryProblem]) -> None:
        """Put each on the field that it is about: the nearest one at, below or above its place; else on the form."""
        for problem in problems:
            best = nearest_field(self.groups, problem.place)
            if best is None:
                self.add_error(None, f"{_shown(problem.place)}: {problem.message}" if problem.place else problem.message)
            else:
                self.add_error(best.name, problem.message)

    def tab_errors(self) -> dict[str, int]:
        """How many errors are in each group, by title."""
        errors: ErrorDict = self.errors
        return {group.title: sum(len(errors.get(field.name, ())) for field in group.fields) for group in self.groups}


def nearest_field(groups: Sequence[Group], place: Place) -> SchemaField | None:
    """The field that a place in the entry belongs to: at, below or above it."""
    fields = [field for group in groups for field in group.fields]
    best = max(fields, key=lambda field: _nearness(field.place, place), default=None)
    return best if best is not None and _nearness(best.place, place) else None


def entry_form(groups: Sequence[Group]) -> type[EntryForm]:
    """The form of these groups. What is required is asked for by the check of the whole entry, which knows more."""
    members: dict[str, Any] = {field.name: _form_field(field) for group in groups for field in group.fields}
    return type("EntryForm", (EntryForm,), {**members, "groups": tuple(groups)})


def initial_of(groups: Sequence[Group], entry: object) -> dict[str, Any]:
    """What the form shows for `entry`."""
    return {field.name: _shown_value(field, value_at(entry, field.place)) for group in groups for field in group.fields}


def _form_field(field: SchemaField) -> forms.Field:
    made = _MAKERS[field.kind](field)
    made.label, made.help_text, made.required = field.label, field.help, False
    made.widget.attrs["data-json-place"] = json.dumps(field.place)
    made.widget.attrs["data-json-kind"] = field.kind
    if field.required:
        made.widget.attrs["aria-required"] = "true"
    if isinstance(field.default, str | int) and not isinstance(field.default, bool) and field.default != "":
        made.widget.attrs.setdefault("placeholder", str(field.default))
    return made


class _JsonField(forms.CharField):
    """Any JSON that a document may have; empty is absent."""

    def __init__(self) -> None:
        super().__init__(widget=Textarea(attrs={"rows": 3, "class": "font-mono", "spellcheck": "false"}), max_length=MAX_TEXT)

    def clean(self, value: Any) -> Any:
        text = super().clean(value).strip()
        if not text:
            return ABSENT
        try:
            body = parse_entry(f'{{"":\n{text}\n}}')
        except UnreadableDocument as error:
            first = error.problems[0]
            raise forms.ValidationError(
                f"This is not JSON: line {max(1, first.line - 1)}, column {first.column}: {first.message}") from None
        if list(body) != [""]:
            raise forms.ValidationError("This is not JSON: one value is expected, not several")
        return body[""]


def _choices(field: SchemaField) -> list[tuple[str, str]]:
    first = [("", f"default ({field.default})" if field.default not in (ABSENT, "") else "default")]
    return [*first, *((word, word) for word in field.choices if word)]


class _OpenChoiceField(forms.ChoiceField):
    """A choice that keeps a word which it does not know, where an entry has one already."""

    def valid_value(self, value: str) -> bool:
        return True         # the check of the whole entry says it better


_MAKERS: dict[str, Callable[[SchemaField], forms.Field]] = {
    "text": lambda field: forms.CharField(widget=TextInput(), max_length=MAX_TEXT, strip=False),
    "port": lambda field: forms.CharField(widget=TextInput(), max_length=MAX_TEXT),
    "secret": lambda field: forms.CharField(
        widget=TextInput(attrs={"autocomplete": "off", "data-secret": "true"}), max_length=MAX_TEXT, strip=False),
    "number": lambda field: forms.IntegerField(widget=NumberInput(), min_value=field.low, max_value=field.high),
    "switch": lambda field: forms.BooleanField(widget=Switch()),
    "choice": lambda field: _OpenChoiceField(widget=Select(), choices=_choices(field)),
    "lines": lambda field: forms.CharField(widget=Textarea(attrs={"rows": 2}), max_length=MAX_TEXT),
    "json": lambda field: _JsonField(),
}


def _shown_value(field: SchemaField, value: Any) -> Any:
    if value is ABSENT:
        return bool(field.default) if field.kind == "switch" and field.default is not ABSENT else ""
    if field.kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=2)
    if field.kind == "lines":
        return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    if field.kind == "choice":
        return NETWORK_NAMES.get(str(value).lower(), value) if field.label == "Network" else _spelled(field, value)
    if field.kind in ("text", "secret", "port") and not isinstance(value, str):
        return json.dumps(value)
    return value


def _spelled(field: SchemaField, value: Any) -> Any:
    return next((word for word in field.choices if isinstance(value, str) and word.lower() == value.lower()), value)


def _written(field: SchemaField, value: Any) -> Any:
    if value is None or value == "":
        return ABSENT
    if field.kind == "lines":
        return [line.strip() for line in str(value).splitlines() if line.strip()] or ABSENT
    if field.kind == "port" and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value


def _nearness(field: Place, problem: Place) -> int:
    """How many steps they share, if one stands above the other; 0 if not."""
    shorter = min(len(field), len(problem))
    same = all(_same(one, other) for one, other in zip(field, problem, strict=False))
    return shorter if same else 0


def _same(one: str | int, other: str | int) -> bool:
    return one == other or (isinstance(one, str) and isinstance(other, str) and one.lower() == other.lower())


def _shown(place: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")
