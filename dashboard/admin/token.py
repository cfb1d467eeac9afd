"""API tokens: one's own; who may change tokens sees everybody's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from dashboard.accounts import stepup
from dashboard.admin.instance_page import may, must, show
from dashboard.admin.rows import find_row
from dashboard.admin_base import ModelAdmin, Select, Switch, TextInput, display
from dashboard.choices import TokenScope
from dashboard.models import ApiToken, Instance
from dashboard.services.errors import ServiceError
from dashboard.services.tokens import create_token, revoke_token

_COLOURS = {"works": "success", "revoked": "info", "expired": "warning"}


class TokenForm(forms.Form):
    name = forms.CharField(max_length=64, widget=TextInput(), help_text="What it is for.")
    scope = forms.ChoiceField(choices=TokenScope, widget=Select(), help_text="Never more than you may do yourself.")
    may_read_secrets = forms.BooleanField(
        required=False, widget=Switch(), label="Reads secrets", help_text="Ids, passwords and keys are masked without it.")
    instances = forms.ModelMultipleChoiceField(
        Instance.objects.defer("rest", "comments"), required=False, help_text="Only these. None chosen: all of them.",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "x-choices"}))
    expires_at = forms.DateTimeField(
        required=False, label="Expires", widget=TextInput(attrs={"type": "datetime-local"}), help_text="UTC. Empty: never.")


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    list_display = ("name", "user", "prefix", "scope", "shown_state", "last_used_at", "last_used_from", "expires_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    empty_title = "No API tokens yet"
    empty_words = "With a token a program uses the REST API in your name, and can do no more than you."
    empty_button = "Make a token"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        return rows if may(request, "change_apitoken") else rows.filter(user=request.user)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)        # a revoked one stays, for the audit log
        return actions

    @display(description="state", label=_COLOURS)  # type: ignore[untyped-decorator]
    def shown_state(self, row: ApiToken) -> str:
        return "revoked" if row.revoked_at else "works" if row.is_active else "expired"

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "add_apitoken")
        form = TokenForm(request.POST if request.method == "POST" else None, initial={"scope": TokenScope.READ})
        if not may(request, "reveal_secrets"):
            del form.fields["may_read_secrets"]
        reads_secrets = request.method == "POST" and form.is_valid() and form.cleaned_data.get("may_read_secrets")
        if reads_secrets and not stepup.has_recent_password(request):       # it outlives a session that was left open
            asked = stepup.confirm_url(request.path)
            form.add_error("may_read_secrets", format_html('Give <a href="{}">your password</a> first, then make it.', asked))
        if request.method == "POST" and form.is_valid():
            assert isinstance(request.user, User)
            try:
                token, text = create_token(request.user, by=request.user, **form.cleaned_data)
            except ServiceError as error:
                form.add_error(error.path if error.path in form.fields else None, error.message)
            else:
                response = show(request, "../entry/token_made.html", None, title=f"API token {token}", token=token, text=text)
                response["Cache-Control"] = "no-store"
                return response
        return show(
            request, "../entry/token.html", None, title="New API token", form=form, status=400 if form.errors else 200)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "view_apitoken")
        return show(request, "../entry/token.html", None, title="API token", token=self._find(request, object_id))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        must(request, "delete_apitoken")
        token = self._find(request, object_id)
        listed = reverse("admin:dashboard_apitoken_changelist")
        if request.method == "POST":
            revoke_token(token, by=request.user)
            messages.success(request, f"{token} is revoked: it works no more.")
            return HttpResponseRedirect(listed)
        return show(request, "../entry/token_revoke.html", None, title=f"Revoke {token}", token=token, keep=listed)

    def _find(self, request: HttpRequest, object_id: str) -> ApiToken:
        token: ApiToken = find_row(self.get_queryset(request), object_id)
        return token
