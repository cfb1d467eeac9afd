"""For whoever keeps the panel running: /healthz/live, whether it answers, and /healthz/ready, whether it can work.

They stand before everything else: a probe has no session, may ask by an address that is not in ALLOWED_HOSTS, and speaks plain
HTTP. A stranger learns which part is missing, and nothing about it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

BROKER_ANSWER_S: Final = 2.0

_log = logging.getLogger(__name__)


class Health:
    """The first middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._is_migrated = False       # once it is, it stays so for this process

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == "/healthz/live":
            return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})
        if request.path == "/healthz/ready":
            return self._ready()
        return self._get_response(request)

    def _ready(self) -> JsonResponse:
        """200 where everything is there, else 503."""
        self._is_migrated = self._is_migrated or _has_migrations()
        parts = {"database": _has_database(), "migrations": self._is_migrated, "broker": _has_broker()}
        failed = [name for name, is_well in parts.items() if not is_well]
        answer = {"ready": not failed, **{name: "ok" if is_well else "failed" for name, is_well in parts.items()}}
        response = JsonResponse(answer, status=503 if failed else 200, headers={"Cache-Control": "no-store"})
        response._has_been_logged = True  # type: ignore[attr-defined]  # below, not once more for each probe
        return response


def _has_database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        _log.warning("the database does not answer: %s", type(error).__name__)
        return False
    return True


def _has_migrations() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False


def _has_broker() -> bool:
    if not settings.HAS_REDIS:
        return True
    from redis import Redis, RedisError

    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=BROKER_ANSWER_S, socket_timeout=BROKER_ANSWER_S) as client:
            return bool(client.ping())
    except RedisError as error:
        _log.warning("Redis does not answer: %s", type(error).__name__)
        return False
