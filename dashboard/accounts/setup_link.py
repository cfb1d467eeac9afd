"""The first administrator: whoever holds the link that was printed on the console makes that account, once.

There is no default account. The link is signed with SECRET_KEY and works for `LINK_LIFE_S`, as long as nobody can
administer the site yet; so nothing about it needs to be stored, and the account that it makes ends it.
"""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.core import signing
from django.db import transaction
from django.urls import reverse

LINK_LIFE_S = 24 * 3600
_SALT = "xrev.setup-link"
ADMIN_GROUP = "admin"


class SetupLinkError(Exception):
    """The link is not, or no longer, good; the text is for the person who opened it."""


def is_needed() -> bool:
    """Whether nobody can administer the site."""
    return not get_user_model().objects.filter(is_superuser=True, is_active=True).exists()


def make_path() -> str:
    """The path of a fresh link. It is a secret until it was used."""
    return reverse("accounts:setup", args=[signing.TimestampSigner(salt=_SALT).sign("first-admin")])


def check(token: str) -> None:
    """Raises SetupLinkError."""
    try:
        signing.TimestampSigner(salt=_SALT).unsign(token, max_age=LINK_LIFE_S)
    except signing.SignatureExpired:
        raise SetupLinkError("This link is older than a day. `manage.py setup_link` prints a new one.") from None
    except signing.BadSignature:
        raise SetupLinkError("This is not a link that this panel made. `manage.py setup_link` prints one.") from None
    if not is_needed():
        raise SetupLinkError("This link was used: the panel has an administrator. Log in, or ask that person for an account.")


@transaction.atomic
def create_first_admin(token: str, username: str, password: str) -> User:
    """Raises SetupLinkError, also for the slower one of two that use the link at the same time."""
    group, _ = Group.objects.get_or_create(name=ADMIN_GROUP)
    Group.objects.select_for_update().get(pk=group.pk)
    check(token)
    user: User = User.objects.create_superuser(username=username, password=password)
    user.groups.add(group)
    return user
