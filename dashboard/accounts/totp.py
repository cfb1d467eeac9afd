"""One-time codes (TOTP, RFC 6238) and the recovery codes that stand in for a lost authenticator."""

from __future__ import annotations

import io

import segno
from django.contrib.auth.models import User
from django.db import transaction
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

RECOVERY_CODES = 10


def is_on(user: User) -> bool:
    found: bool = TOTPDevice.objects.filter(user=user, confirmed=True).exists()
    return found


def pending_device(user: User) -> TOTPDevice:
    """The authenticator that is being set up: not asked for before a code of it was given."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "authenticator"})
    return device


def secret_text(device: TOTPDevice) -> str:
    """The key as authenticators take it by hand: base32."""
    import base64

    return base64.b32encode(device.bin_key).decode("ascii").rstrip("=")


def qr_svg(device: TOTPDevice) -> str:
    out = io.BytesIO()
    segno.make(device.config_url, error="m").save(
        out, kind="svg", scale=5, border=3, dark="#111", light="#fff", xmldecl=False, svgns=True, omitsize=False)
    return out.getvalue().decode("utf-8")


@transaction.atomic
def turn_on(user: User, code: str) -> list[str] | None:
    """The recovery codes, which are not shown again; None: the code was not that of the authenticator."""
    device = pending_device(user)
    if not device.verify_token(code):
        return None
    TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
    device.confirmed = True
    device.save()
    StaticDevice.objects.filter(user=user).delete()
    recovery = StaticDevice.objects.create(user=user, name="recovery", confirmed=True)
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=recovery, token=code) for code in codes)
    return codes


@transaction.atomic
def turn_off(user: User) -> None:
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
