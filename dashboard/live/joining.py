"""POST /agent/v1/join/: a join token becomes a node's identity. Whatever is wrong, the answer is the same."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from pydantic import ValidationError

from dashboard.accounts.client_address import client_address
from dashboard.services.joining import JoinRefused, join
from proxycore.messages.link import Joined, JoinRequest

MAX_BODY_BYTES: Final = 4096
FAILURES: Final = 10                # of one address, in WITHIN_S; more are not looked at
WITHIN_S: Final = 60

logger = logging.getLogger(__name__)


@csrf_exempt        # it comes with a token of its own, never with a cookie
def join_view(request: HttpRequest) -> HttpResponse:
    address = client_address(request)
    key = f"join:{address}"
    if (cache.get(key) or 0) >= FAILURES:
        answer = JsonResponse({"detail": "too many join tokens were wrong; try again in a minute"}, status=429)
        answer["Retry-After"] = str(WITHIN_S)
        return answer
    try:
        asked = _read(request)
        node, identity = join(asked.token, wished_name=asked.name, version=asked.version, address=address)
    except (JoinRefused, ValidationError):
        cache.add(key, 0, WITHIN_S)
        with suppress(ValueError):      # its minute is over just now
            cache.incr(key)
        logger.warning("a host at %s could not join: its token is not good", address)
        return JsonResponse({"detail": JoinRefused().message}, status=403)
    logger.info("node %d, %s, has joined from %s", node.pk, node.name, address)
    answer = JsonResponse(Joined(identity=identity, node=node.pk, name=node.name).model_dump(), status=201)
    answer["Cache-Control"] = "no-store"
    return answer


def _read(request: HttpRequest) -> JoinRequest:
    """Raises JoinRefused, ValidationError."""
    if request.method != "POST":
        raise JoinRefused
    body = request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise JoinRefused
    return JoinRequest.model_validate_json(body)
