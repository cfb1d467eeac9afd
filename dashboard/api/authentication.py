"""API tokens: `Authorization: Bearer xrev_...`. People in a browser come by their session (with CSRF)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from dashboard.accounts.client_address import client_address
from dashboard.models import ApiToken

SCHEME: Final = "Bearer"
MARK: Final = "xrev"            # tokens can be told from other secrets, by scanners of leaked ones too
PREFIX_CHARS: Final = 8
SECRET_BYTES: Final = 32
USE_NOTED_EVERY: Final = timedelta(minutes=1)
_REFUSED: Final = "This token is not known, was revoked, or has expired."


class NewToken(NamedTuple):
    prefix: str
    secret_hash: str
    text: str           # what is shown once


def make_token(mark: str = MARK) -> NewToken:
    prefix = secrets.token_hex(PREFIX_CHARS // 2)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return NewToken(prefix, _digest(secret), f"{mark}_{prefix}_{secret}")


def split_token(text: str, mark: str = MARK) -> tuple[str, str]:
    """(prefix, secret); the prefix is empty where the text is no token of this mark."""
    found, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    return (prefix if found == mark and "\0" not in prefix else ""), secret


def is_secret(secret: str, secret_hash: str | None) -> bool:
    """Whether this is what was hashed; for None no, and it takes no longer to say."""
    return hmac.compare_digest(_digest(secret), secret_hash or "0" * 64) and bool(secret_hash)


def find_token(text: str) -> ApiToken | None:
    """The active token of an active account, or None; which of the two takes no longer to say."""
    prefix, secret = split_token(text)
    token = ApiToken.objects.select_related("user").filter(prefix=prefix).first() if prefix else None
    if not is_secret(secret, token.secret_hash if token is not None else None) or token is None:
        return None
    return token if token.is_active and token.user.is_active else None


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        token = find_token(text.strip())
        if token is None:
            raise AuthenticationFailed(_REFUSED)
        note_use(token, client_address(request._request))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


def token_of(request: Request) -> ApiToken | None:
    """The token that the request came with; None: it came by a session."""
    return request.auth if isinstance(request.auth, ApiToken) else None


def note_use(token: ApiToken, address: str) -> None:
    """For the list of tokens, once a minute at most."""
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at >= USE_NOTED_EVERY or token.last_used_from != address:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class _TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token (page *API tokens*): `xrev_...`"}
