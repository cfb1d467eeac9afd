"""Countries of sources."""

from __future__ import annotations

import pytest

from dashboard.engine.origins import add_countries


@pytest.mark.parametrize(("source", "country"), [
    ("8.8.8.8:443", "US"), ("8.8.8.8", "US"), ("[2a00:1450:4001:82a::200e]:9", "IE"), ("[::ffff:8.8.8.8]:1", "US"),
    ("192.168.1.4:80", None), ("100.64.0.1:5", None), ("[::1]:80", None), ("[fe80::1%eth0]:80", None),
    ("", None), ("[", None), (":80", None), ("nobody", None), (7, None),
])
def test_public_addresses_have_a_country_and_others_have_none(source: object, country: str | None) -> None:
    sessions = [{"id": "1/2/3", "source": source}, {"id": "1/3/4"}]
    add_countries(sessions)
    assert sessions[0].get("country") == country
    assert "country" not in sessions[1]


@pytest.mark.parametrize("sent", [None, {}, [1, None, "x", []], "text"])
def test_what_a_node_sends_in_their_place_stays_as_it_is(sent: object) -> None:
    add_countries(sent)
