"""Tokens that programs log in with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from dashboard.api.authentication import make_token
from dashboard.choices import TokenScope, Verb
from dashboard.models import ApiToken, Instance
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError


@transaction.atomic
def create_token(
    user: User,
    *,
    by: Actor,
    name: str,
    scope: str = TokenScope.READ,
    may_read_secrets: bool = False,
    instances: Iterable[Instance] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """The token and its text, which is kept nowhere. `instances`: only these; none: all. Raises ServiceError."""
    if not name.strip():
        raise ServiceError("a token needs a name, to know later what it is for", "name")
    if scope not in TokenScope.values:
        raise ServiceError(f"the scope is one of {', '.join(TokenScope.values)}", "scope")
    if expires_at is not None and expires_at <= timezone.now():
        raise ServiceError("this moment has passed already", "expires_at")
    if may_read_secrets and not user.has_perm("dashboard.reveal_secrets"):
        raise ServiceError(f"{user} may not see secrets, so no token of {user} may", "may_read_secrets")
    made = make_token()
    only = list(instances)
    token = ApiToken.objects.create(
        user=user, name=name.strip(), prefix=made.prefix, secret_hash=made.secret_hash, scope=scope,
        may_read_secrets=may_read_secrets, expires_at=expires_at, is_limited=bool(only))
    token.instances.set(only)
    told = [f"scope {scope}", *(["reads secrets"] if may_read_secrets else [])]
    if only:
        told.append(f"only for {', '.join(sorted(instance.name for instance in only))}")
    record(by, Verb.CREATED, token, note=", ".join(told))
    return token, made.text


def revoke_token(token: ApiToken, *, by: Actor, why: str = "revoked") -> None:
    """At once, and for good."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        token.refresh_from_db()
        record(by, Verb.DELETED, token, note=why)


def revoke_tokens_of(instance: Instance, *, by: Actor) -> None:
    """Those that are for this instance alone, which is about to go."""
    for token in ApiToken.objects.filter(is_limited=True, instances=instance, revoked_at=None):
        if not token.instances.exclude(pk=instance.pk).exists():
            revoke_token(token, by=by, why=f"revoked with {instance}, all that it was for")
