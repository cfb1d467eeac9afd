"""Whether who asks may: the person's own rights, and within them what the token is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db.models import Model, QuerySet
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from dashboard.accounts import stepup
from dashboard.api.authentication import token_of
from dashboard.choices import TokenScope

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module, by its name in the settings

ACTION_OF: Final = {"GET": "view", "HEAD": "view", "OPTIONS": "view", "POST": "add", "PUT": "change", "PATCH": "change",
                    "DELETE": "delete"}
REVEAL: Final = "dashboard.reveal_secrets"
_FOR_ADMINS: Final = (
    "dashboard.reveal_secrets", "dashboard.approve_node", "dashboard.add_jointoken", "dashboard.view_jointoken",
    "dashboard.delete_jointoken", "dashboard.add_receiver", "dashboard.change_receiver", "dashboard.delete_receiver",
    "auth.", "axes.",
)


class RolePermission(BasePermission):
    """A view names its model by its queryset, and other rights by `needs`: by its action's name, else for all.

    `reads` are actions that change nothing although they are posted ("*": all of the view's), `changes` those that are posted
    to a list and change rows that are there.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        reads = getattr(view, "reads", ())
        is_reading = request.method in SAFE_METHODS or "*" in reads or getattr(view, "action", None) in reads
        return all(user.has_perm(right) and _token_may(request, right, is_reading) for right in _rights(request, view))


def _rights(request: Request, view: APIView) -> list[str]:
    needs: dict[str, list[str]] = getattr(view, "needs", {})
    action = getattr(view, "action", None) or ""
    if action in needs:
        return needs[action]
    model: type[Model] | None = getattr(getattr(view, "queryset", None), "model", None)
    if model is None:
        return needs.get("*", [])
    verb = ACTION_OF.get(request.method or "GET", "change")
    is_of_row = getattr(view, "detail", False) and action != "clone"
    if verb == "add" and (is_of_row or action in getattr(view, "changes", ())):
        verb = "change"         # posted to a row that is there
    return [f"{model._meta.app_label}.{verb}_{model._meta.model_name}"]


def _token_may(request: Request, right: str, is_reading: bool) -> bool:
    """Whether the token's scope reaches that far; a session has no scope."""
    token = token_of(request)
    if token is None or token.scope == TokenScope.ADMIN:
        return True
    if right.startswith(_FOR_ADMINS):
        return False
    looks = right.rpartition(".")[2].startswith("view_")
    return looks and is_reading if token.scope == TokenScope.READ else True


def may(request: Request, right: str) -> bool:
    """For what a view finds out itself: whether this is allowed, by something that changes."""
    return request.user.has_perm(right) and _token_may(request, right, is_reading=False)


def may_see_secrets(request: Request) -> bool:
    """By a token that was made for it, or a session in which the password was given lately."""
    if not request.user.has_perm(REVEAL):
        return False
    token = token_of(request)
    return token.may_read_secrets if token is not None else stepup.has_recent_password(request._request)


class OfToken:
    """A view whose rows belong to instances: a token that is for some instances reaches only theirs."""

    instance_path: ClassVar[str] = "instance"

    def limited(self, rows: QuerySet[Any], request: Request, path: str = "") -> QuerySet[Any]:
        token = token_of(request)
        if token is None or not token.is_limited:
            return rows
        mine = list(token.instances.values_list("pk", flat=True))
        return rows.filter(**{f"{path or self.instance_path}__in": mine})
