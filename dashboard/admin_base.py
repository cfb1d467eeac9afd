"""All that this project takes from django-unfold, in one place, so that it can be changed for another look."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline, TabularInline
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
