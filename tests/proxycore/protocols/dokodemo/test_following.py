"""followRedirect: where a client goes that the system sent here."""

from __future__ import annotations

from typing import Any

import pytest

from proxycore.destination import HostPort
from proxycore.net.original_destination import read_address
from proxycore.net.wheel import Wheel
from proxycore.protocols.base import InboundContext
from proxycore.protocols.dokodemo.inbound import DokodemoInbound
from proxycore.protocols.dokodemo.settings import DokodemoSettings
from tests.support.streams import RecordingDispatcher, RecordingStream

CLIENT = ("192.0.2.7", 4096)


def accepted(local: HostPort, **settings: Any) -> tuple[list[str], RecordingStream]:
    dispatcher = RecordingDispatcher()
    inbound = DokodemoInbound(DokodemoSettings.model_validate({"followRedirect": True, **settings}), InboundContext(
        "in", "inbounds[0]", dispatcher, Wheel(), lambda: 0.0, 1000, ports=((1000, 1005), (2000, 2000))))
    client = RecordingStream()
    inbound.accept(client, CLIENT, local)
    return [str(request.destination) for request in dispatcher.requests], client


@pytest.mark.parametrize(("local", "target"), [
    (("203.0.113.5", 443), "tcp:203.0.113.5:443"), (("2001:db8::5", 80), "tcp:[2001:db8::5]:80")])
def test_it_goes_where_it_was_going(local: HostPort, target: str) -> None:
    assert accepted(local, address="192.0.2.1", port=9)[0] == [target]


@pytest.mark.parametrize("local", [("203.0.113.5", 1003), ("127.0.0.1", 2000), ("0.0.0.0", 0)])
def test_who_came_by_itself_goes_where_the_settings_say_or_nowhere(local: HostPort) -> None:
    assert accepted(local, address="192.0.2.1", port=9)[0] == ["tcp:192.0.2.1:9"]
    requests, client = accepted(local)
    assert requests == []
    assert client.aborted


def test_an_address_of_the_kernel_is_read() -> None:
    assert read_address(bytes.fromhex("020001bbcb007105") + bytes(8)) == ("203.0.113.5", 443)
    v6 = bytes.fromhex("0a00005000000000" "20010db8000000000000000000000005" "00000000")
    assert read_address(v6) == ("2001:db8::5", 80)
    assert read_address(b"short") is None
