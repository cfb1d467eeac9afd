"""All that this project takes from django-unfold, in one place, so that it can be changed for another look."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

Checkboxes = UnfoldAdminCheckboxSelectMultipleWidget
NumberInput = UnfoldAdminIntegerFieldWidget
PasswordInput = UnfoldAdminPasswordWidget
Select = UnfoldAdminSelectWidget
Switch = UnfoldBooleanSwitchWidget
Textarea = UnfoldAdminTextareaWidget
TextInput = UnfoldAdminTextInputWidget


MAX_SEARCH_CHARS: Final = 200
_FILTERED_BY: Final = frozenset({"exact", "id__exact", "isnull", "gte", "lt", "year", "month", "day"})


class ModelAdmin(UnfoldModelAdmin):
    """Lists are asked for what their pages offer."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Django allows any condition on any column of the model's own: hidden ones could be found out letter by letter, and a
        regular expression can keep a whole process busy for ever, which SQLite evaluates inside it."""
        allowed: bool = super().lookup_allowed(lookup, value, request)
        names = {field.name for field in self.model._meta.get_fields()} | {"pk"}
        if not allowed or lookup.split(LOOKUP_SEP)[0] not in names:     # what is no column is looked at later
            return allowed
        offered = [self.date_hierarchy, *(getattr(one, "parameter_name", one) for one in self.get_list_filter(request))]
        return any(
            lookup == name or lookup.removeprefix(f"{name}{LOOKUP_SEP}") in _FILTERED_BY for name in offered if name is not None)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Each word is a condition, and databases take only so many of them."""
        found: tuple[QuerySet, bool] = super().get_search_results(request, queryset, search_term[:MAX_SEARCH_CHARS])
        return found


class ReadOnlyAdmin(ModelAdmin):
    """Rows that the panel writes, and nobody changes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


__all__ = [
    "AdminPasswordChangeForm", "Checkboxes", "ModelAdmin", "NumberInput", "PasswordInput", "ReadOnlyAdmin", "Select",
    "StackedInline", "Switch",
    "TabularInline", "TextInput", "Textarea", "UserChangeForm", "UserCreationForm", "action", "display",
]  # fmt: skip
