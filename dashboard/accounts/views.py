"""The set-up page, and the pages of one's own account."""

from __future__ import annotations

from typing import cast

from axes.handlers.proxy import AxesProxyHandler
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.accounts import setup_link, stepup, totp
from dashboard.accounts.forms import CodeForm, FirstAdminForm, PasswordForm

_FORM_METHODS = require_http_methods(["GET", "HEAD", "POST"])


@sensitive_post_parameters()
@never_cache
@_FORM_METHODS
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """The one page that needs no account: it makes the first one."""
    try:
        setup_link.check(token)
        form = FirstAdminForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            user = setup_link.create_first_admin(token, form.cleaned_data["username"], form.cleaned_data["password1"])
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            stepup.note_password(request)
            return HttpResponseRedirect(reverse("admin:index"))
    except setup_link.SetupLinkError as error:
        return render(request, "dashboard/setup.html", {"problem": str(error)}, status=410)
    return render(request, "dashboard/setup.html", {"form": form}, status=400 if form.errors else 200)


@sensitive_post_parameters()
@never_cache
@_FORM_METHODS
def confirm_password(request: HttpRequest) -> HttpResponse:
    """Ask for the password, then go on to `next`. Wrong ones count like failed logins."""
    user = cast(User, request.user)
    following = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(following, {request.get_host()}, require_https=request.is_secure()):
        following = reverse("admin:index")
    credentials = {"username": user.get_username()}
    form = PasswordForm(user, request.POST or None)
    status = 200
    if request.method == "POST":
        if not AxesProxyHandler.is_allowed(request, credentials):
            form.add_error(None, "Too many wrong passwords. Wait a quarter of an hour.")
            status = 429
        elif form.is_valid():
            AxesProxyHandler.reset_attempts(username=user.get_username())
            stepup.note_password(request)
            return HttpResponseRedirect(following)
        else:
            AxesProxyHandler.user_login_failed(sender=__name__, credentials=credentials, request=request)
            status = 400
    context = {**admin.site.each_context(request), "title": "Your password, please", "form": form}
    return render(request, "dashboard/account/confirm.html", context, status=status)


@sensitive_post_parameters()
@never_cache
@_FORM_METHODS
@stepup.needs_recent_password
def two_factor(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator, or take it away."""
    user = cast(User, request.user)
    context = {**admin.site.each_context(request), "title": "One-time codes"}
    if request.method == "POST" and "off" in request.POST:
        totp.turn_off(user)
        messages.success(request, "One-time codes are off: your password is enough to log in.")
        return HttpResponseRedirect(reverse("accounts:two_factor"))
    if totp.is_on(user):
        return render(request, "dashboard/account/two_factor.html", {**context, "is_on": True})
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        codes = totp.turn_on(user, form.cleaned_data["code"].strip())
        if codes is not None:
            return render(request, "dashboard/account/two_factor.html", {**context, "is_on": True, "codes": codes})
        form.add_error("code", "This is not the code that the authenticator shows now. Is its clock right?")
    device = totp.pending_device(user)
    context |= {
        "form": form,
        "secret": totp.secret_text(device),
        "qr": mark_safe(totp.qr_svg(device)),
    }
    return render(request, "dashboard/account/two_factor.html", context, status=400 if form.errors else 200)
