"""Logging in: name and password, and a one-time code where the account has set one up."""

from __future__ import annotations

from typing import Any

from django import forms
from django_otp import devices_for_user
from django_otp.forms import OTPAuthenticationFormMixin
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES


class LoginForm(OTPAuthenticationFormMixin, AuthenticationForm):
    otp_token = forms.CharField(
        required=False, label="Code of your authenticator (if you set one up)", max_length=16,
        widget=forms.TextInput(attrs={
            "autocomplete": "one-time-code", "inputmode": "numeric", "class": " ".join(BASE_INPUT_CLASSES)}),
    )
    otp_error_messages = OTPAuthenticationFormMixin.otp_error_messages | {
        "token_required": "This account asks for the code of an authenticator as well.",
        "invalid_token": "This code is not right, or was used already. Wait for the next one.",
    }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        user = self.get_user()
        if user is not None and any(devices_for_user(user)):
            self.clean_otp(user)
        return cleaned

    def _chosen_device(self, user: Any) -> None:
        """None: a code of any of the account's devices, also a recovery code, will do."""

    def _verify_token(self, user: Any, token: str, device: None = None) -> Any:
        for candidate in devices_for_user(user, for_verify=True):
            allowed, _ = candidate.verify_is_allowed()
            if allowed and candidate.verify_token(token):
                return candidate
        raise forms.ValidationError(self.otp_error_messages["invalid_token"], code="invalid_token")

    def _update_form(self, user: Any) -> None:
        """Nothing: there is no choice of devices to fill in."""
