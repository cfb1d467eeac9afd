"""All that this project takes from django-unfold, in one place, so that it can be changed for another look."""

from __future__ import annotations

from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminPasswordWidget as PasswordInput,
)
from unfold.widgets import (
    UnfoldAdminTextareaWidget as Textarea,
)
from unfold.widgets import (
    UnfoldAdminTextInputWidget as TextInput,
)

__all__ = [
    "AdminPasswordChangeForm", "ModelAdmin", "PasswordInput", "StackedInline", "TabularInline", "TextInput", "Textarea",
    "UserChangeForm", "UserCreationForm", "action", "display",
]  # fmt: skip
