"""Schemathesis asks what the schema allows, and what it does not, of every operation, with a database to throw away.

No answer is a server's error, and each is one that the schema documents. XREV_API_EXAMPLES says how many of each sort.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from dashboard.models import Instance
from dashboard.services.tokens import create_token


@pytest.fixture
def headers(ada: User, edge: Instance) -> dict[str, str]:
    _, token = create_token(ada, by=ada, name="any request", scope="admin", may_read_secrets=True)
    return {"Authorization": f"Bearer {token}", "Host": "localhost"}


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_any_request(headers: dict[str, str]) -> None:
    from tests.support.any_request import MODES, failures, operations

    asked = operations(headers)
    assert len(asked) > 80
    found = [told for operation in asked for mode in MODES for told in failures(operation, mode, headers)]
    assert found == [], "\n\n".join(found)
