"""Certificates: pasted or uploaded, read, and watched for their end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts import stepup
from dashboard.admin.instance_page import may, must, show
from dashboard.admin.rows import find_row
from dashboard.admin_base import ModelAdmin, Textarea, TextInput, display
from dashboard.engine.pem import MAX_PEM_CHARS
from dashboard.models import Certificate
from dashboard.services.certificates import change_certificate, create_certificate, delete_certificate, reveal_key
from dashboard.services.errors import ServiceError

SOON: Final = timedelta(days=14)
_COLOURS: Final = {"expired": "danger", "expires soon": "warning", "valid": "success", "not read": "info"}
_MONO: Final = {"rows": 6, "spellcheck": "false", "autocomplete": "off"}


class CertificateForm(forms.Form):
    name = forms.CharField(max_length=64, widget=TextInput(), help_text="What you call it.")
    chain_pem = forms.CharField(
        label="Certificate", required=False, max_length=MAX_PEM_CHARS, widget=Textarea(attrs=_MONO),
        help_text="PEM, the certificate itself first, then those that it is signed with.")
    key_pem = forms.CharField(
        label="Private key", required=False, max_length=MAX_PEM_CHARS, widget=Textarea(attrs=_MONO),
        help_text="PEM. It is kept encrypted, and not shown again. Empty: the one that is stored stays.")
    note = forms.CharField(required=False, max_length=2000, widget=Textarea(attrs={"rows": 2}))


@admin.register(Certificate)
class CertificateAdmin(ModelAdmin):
    list_display = ("name", "shown_names", "shown_state", "shown_end")
    search_fields = ("name", "names", "subject", "fingerprint_sha256")
    ordering = ("name",)
    empty_title = "No certificates yet"
    empty_words = "The panel keeps what you paste, tells for which names it is, and says in time when it ends."
    empty_button = "Add a certificate"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: QuerySet = super().get_queryset(request)
        return rows.defer("key_pem", "chain_pem")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.display(description="for")
    def shown_names(self, row: Certificate) -> str:
        names = row.names.splitlines()
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or row.subject

    @display(description="state", label=_COLOURS)  # type: ignore[untyped-decorator]
    def shown_state(self, row: Certificate) -> str:
        return state_of(row)

    @admin.display(description="valid until", ordering="not_after")
    def shown_end(self, row: Certificate) -> str:
        return row.not_after.strftime("%Y-%m-%d") if row.not_after else ""

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "add_certificate")
        return _page(request, None)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        must(request, "view_certificate")
        return _page(request, _find(object_id))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        must(request, "delete_certificate")
        row = _find(object_id)
        listed = reverse("admin:dashboard_certificate_changelist")
        if request.POST.get("confirmed"):
            delete_certificate(row, by=request.user)
            messages.success(request, f"Certificate {row} is deleted.")
            return HttpResponseRedirect(listed)
        return show(request, "../entry/delete.html", None, title=f"Delete certificate {row}", rows=[row], keep=listed)


def state_of(row: Certificate) -> str:
    if row.not_after is None:
        return "not read"
    if row.is_expired:
        return "expired"
    return "expires soon" if row.not_after - timezone.now() < SOON else "valid"


def _find(object_id: str) -> Certificate:
    row: Certificate = find_row(Certificate, object_id)
    return row


def _page(request: HttpRequest, row: Certificate | None) -> HttpResponse:
    initial = {"name": row.name, "chain_pem": row.chain_pem, "note": row.note} if row is not None else {}
    form = CertificateForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST":
        must(request, "add_certificate" if row is None else "change_certificate")
        if form.is_valid():
            values = form.cleaned_data
            try:
                if row is None:
                    row = create_certificate(by=request.user, **values)
                else:
                    key = values.pop("key_pem") or None
                    row = change_certificate(row, by=request.user, key_pem=key, **values)
            except ServiceError as error:
                form.add_error(error.path if error.path in form.fields else None, error.message)
            else:
                messages.success(request, f"Certificate {row} is saved.")
                return HttpResponseRedirect(reverse("admin:dashboard_certificate_change", args=[row.pk]))
    key = ""
    if row is not None and "reveal" in request.GET and may(request, "reveal_secrets"):
        if not stepup.has_recent_password(request):
            return HttpResponseRedirect(stepup.confirm_url(request.get_full_path()))
        key = reveal_key(row, by=request.user)
    return show(
        request, "../entry/certificate.html", None, title="New certificate" if row is None else f"Certificate {row}",
        row=row, form=form, key=key, state=state_of(row) if row is not None else "",
        health={"expired": "bad", "expires soon": "warn", "valid": "good"}.get(state_of(row) if row is not None else "", ""),
        may_save=may(request, "add_certificate" if row is None else "change_certificate"),
        may_reveal=row is not None and bool(row.key_pem) and may(request, "reveal_secrets"),
        may_delete=row is not None and may(request, "delete_certificate"), status=400 if form.errors else 200,
    )
