"""The forms of one's own account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User

from dashboard.admin_base import PasswordInput, TextInput


class FirstAdminForm(BaseUserCreationForm):
    """Name and password of the first administrator."""

    class Meta:
        model = User
        fields = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = ""
        self.fields["password1"].help_text = "At least 12 characters; not a common one, not only digits."


class PasswordForm(forms.Form):
    """The password of the account that is logged in."""

    password = forms.CharField(widget=PasswordInput(attrs={"autocomplete": "current-password", "autofocus": ""}), strip=False)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self._user.check_password(password):
            raise forms.ValidationError("This is not your password.")
        return password


class CodeForm(forms.Form):
    """A code of the authenticator that is being set up."""

    code = forms.CharField(
        label="Code", max_length=8,
        widget=TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": ""}))
