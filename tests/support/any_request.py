"""Requests that schemathesis makes up from the schema. Imported where they are asked: it takes seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

EXAMPLES = int(os.environ.get("XREV_API_EXAMPLES", "3"))
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = {"/api/v1/live/"}          # server-sent events, tested where they come from
SCHEMA = "/api/v1/schema/?format=json"


def operations(headers: dict[str, str]) -> list[Any]:
    schema = schemathesis.openapi.from_wsgi(SCHEMA, get_wsgi_application(), headers=headers)
    found = [one.ok() for one in schema.get_all_operations()]
    return [one for one in found if one.path not in ENDLESS]


def failures(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> Iterator[str]:
    told: dict[str, str] = {}

    @seed(1)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        point = transaction.savepoint()
        try:
            case.call_and_validate(checks=CHECKS, headers=headers)
        except BaseExceptionGroup as group:
            for error in group.exceptions:      # told with those of all the others
                told[type(error).__name__] = f"{operation.label} ({mode.value}): {error}\n{group.message}"
        finally:
            transaction.savepoint_rollback(point)

    ask()
    yield from told.values()
