"""Schemathesis asks what the schema allows, and what it does not, of every operation, with a database to throw away.

No answer is a server's error, and each is one that the schema documents. XREV_API_EXAMPLES says how many of each sort.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
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

from dashboard.models import Instance
from dashboard.services.tokens import create_token

EXAMPLES = int(os.environ.get("XREV_API_EXAMPLES", "3"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = {"/api/v1/live/"}          # server-sent events, tested where they come from
SCHEMA = "/api/v1/schema/?format=json"


@pytest.fixture
def headers(ada: User, edge: Instance) -> dict[str, str]:
    _, token = create_token(ada, by=ada, name="any request", scope="admin", may_read_secrets=True)
    return {"Authorization": f"Bearer {token}", "Host": "localhost"}


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


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_any_request(headers: dict[str, str]) -> None:
    schema = schemathesis.openapi.from_wsgi(SCHEMA, get_wsgi_application(), headers=headers)
    operations = [found.ok() for found in schema.get_all_operations()]
    operations = [one for one in operations if one.path not in ENDLESS]
    assert len(operations) > 80
    found = [
        told for operation in operations for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for told in failures(operation, mode, headers)
    ]
    assert found == [], "\n\n".join(found)
