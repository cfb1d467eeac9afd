"""The lines about failed handshakes."""

from __future__ import annotations

import pytest

from proxycore.errors import AuthError
from proxycore.net.failure_log import FailureLog
from proxycore.net.wheel import Wheel


def test_a_flood_of_failures_is_a_few_lines_and_a_sum(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "xrev.handshake")
    wheel = Wheel()
    failures = FailureLog("in", wheel)
    for port in range(1000):
        failures.report(("192.0.2.7", port), AuthError("unknown user"))
    assert len(caplog.messages) == 10
    assert caplog.messages[0] == "inbound in: handshake from 192.0.2.7:0 failed: unknown user"
    wheel.turn()
    assert caplog.messages[10:] == ["inbound in: 990 more failed handshakes"]
    wheel.turn()
    failures.report(("192.0.2.7", 5), AuthError("replay of a request", "replay"))
    assert caplog.messages[11:] == ["inbound in: handshake from 192.0.2.7:5 failed: replay of a request"]
    wheel.turn()
    assert len(caplog.messages) == 12
