"""Settings of blackhole."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from proxycore.protocols.blackhole.settings import BlackholeSettings


@pytest.mark.parametrize(
    ("settings", "answers_http"),
    [
        ({}, False),
        ({"response": {}}, False),
        ({"response": {"type": "none"}}, False),
        ({"response": {"type": "HTTP"}}, True),
        ({"response": {"type": ""}}, False),
    ],
)
def test_an_answer_is_given_only_where_it_is_asked_for(settings: dict[str, object], answers_http: bool) -> None:
    assert BlackholeSettings.model_validate(settings).answers_http is answers_http


def test_another_answer_is_refused() -> None:
    with pytest.raises(ValidationError, match="'none' or 'http'"):
        BlackholeSettings.model_validate({"response": {"type": "html"}})
