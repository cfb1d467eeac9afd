"""Who looks, and whether they still may: a person by the session of the panel, or a program by an API token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from dashboard.api.authentication import SCHEME, find_token, note_use
from dashboard.models import ApiToken

NEEDED: Final = "dashboard.view_instance"
FOR_NODES: Final = "dashboard.view_node"


@dataclass(frozen=True, slots=True)
class View:
    """How much one sees: all that see the same are sent the same bytes. `instances` None: all of them."""

    instances: frozenset[int] | None = None
    has_nodes: bool = True          # what the hosts are like, not only what runs there

    def may_see(self, instance: int) -> bool:
        return self.instances is None or instance in self.instances


@dataclass(frozen=True, slots=True)
class Looker:
    """One that was let in. Either `session` or `token` says how."""

    user: int
    view: View
    session: str = ""
    token: int = 0


def by_token(text: str, address: str) -> Looker | None:
    """Who comes with this API token from there; None: it is not good, or may not look."""
    token = find_token(text)
    if token is None:
        return None
    note_use(token, address)
    return of_token(token)


def by_cookie(header: str) -> Looker | None:
    """Who comes with this Cookie header; None: nobody is logged in, or may not look."""
    key = parse_cookie(header).get(settings.SESSION_COOKIE_NAME, "")
    session = Session.objects.filter(session_key=key, expire_date__gt=timezone.now()).first() if 0 < len(key) <= 40 else None
    if session is None:
        return None
    said = session.get_decoded()
    return _of_session(key, said, _users([said]))


def by_headers(headers: Mapping[str, str], address: str) -> Looker | None:
    """`headers` have small letters, `address` is where they come from. A token that is given counts, if it is wrong and there
    is a session, too."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme:
        return by_token(text.strip(), address) if scheme.lower() == SCHEME.lower() else None
    return by_cookie(headers.get("cookie", ""))


def check(lookers: Iterable[Looker]) -> dict[Looker, Looker]:
    """Those that are still let in, and how they are now. Four queries and two per person, however many look."""
    asked = list(lookers)
    keys = {one.session for one in asked if one.session}
    sessions = {
        row.session_key: row.get_decoded()
        for row in Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    } if keys else {}
    users = _users(sessions.values())
    pks = {one.token for one in asked if one.token}
    rows = ApiToken.objects.select_related("user").prefetch_related("instances").filter(pk__in=pks) if pks else ()
    tokens = {row.pk: row for row in rows}
    found: dict[Looker, Looker] = {}
    for one in asked:
        if one.session:
            said = sessions.get(one.session)
            now = _of_session(one.session, said, users) if said is not None else None
        else:
            token = tokens.get(one.token)
            now = of_token(token) if token is not None and token.is_active and token.user.is_active else None
        if now is not None:
            found[one] = now
    return found


def of_token(token: ApiToken) -> Looker | None:
    """None: its person may not look."""
    if not token.user.has_perm(NEEDED):
        return None
    instances = frozenset(one.pk for one in token.instances.all()) if token.is_limited else None
    view = View(instances, has_nodes=instances is None and token.user.has_perm(FOR_NODES))
    return Looker(token.user.pk, view, token=token.pk)


def _users(sessions: Iterable[Mapping[str, Any]]) -> dict[str, User]:
    pks = {str(said.get(SESSION_KEY, "")) for said in sessions}
    return {str(user.pk): user for user in User.objects.filter(pk__in=[pk for pk in pks if pk.isdigit()], is_active=True)}


def _of_session(key: str, said: Mapping[str, Any], users: Mapping[str, User]) -> Looker | None:
    user = users.get(str(said.get(SESSION_KEY, "")))
    if user is None or said.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    # The hash changes with the password: sessions from before end.
    is_current = any(
        constant_time_compare(said.get(HASH_SESSION_KEY, ""), known)
        for known in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()))
    if not is_current or not user.has_perm(NEEDED):
        return None
    return Looker(user.pk, View(has_nodes=user.has_perm(FOR_NODES)), session=key)
