"""What a worker is asked about a tunnel that runs."""

from __future__ import annotations

import pytest

from proxycore.worker.questions import Answers
from tests.proxycore.live.conftest import End, Tunnel


def answers(end: End) -> Answers:
    return Answers(end.instance, end.sessions)


async def test_which_carrier_would_be_picked_is_told_without_a_session(tunnel: Tunnel) -> None:
    portal = tunnel.portal.instance.portals[0]
    told = answers(tunnel.portal).answer("pick", {"tunnel": "portal", "source": "198.51.100.7"})
    (carrier,) = told["carriers"]
    assert (told["policy"], told["paused"]) == ("leastLoad", False)
    assert (carrier["is_chosen"], carrier["is_usable"]) == (True, True)
    assert carrier["carrier"] in tunnel.portal.look()["portals"]["portal"]["carriers"]
    assert carrier["peer"].startswith("127.0.0.1:")
    assert "sessions" in carrier["why"]

    portal.links[0].health.is_quarantined = True
    (carrier,) = answers(tunnel.portal).answer("pick", {"tunnel": "portal"})["carriers"]
    assert (carrier["is_chosen"], carrier["is_usable"], carrier["why"]) == (False, False, "it does not answer")
    portal.links[0].health.is_quarantined = False


async def test_explain_says_the_same_of_the_portal_that_it_leads_to(tunnel: Tunnel) -> None:
    ask = answers(tunnel.portal)
    told = ask.answer("explain", {"inbound": "web", "destination": "127.0.0.1:80/tcp"})
    assert told["carriers"] == ask.answer("pick", {"tunnel": "portal"})["carriers"]


@pytest.mark.parametrize(("arguments", "words"), [
    ({"tunnel": "gone"}, 'there is no portal "gone" here'), ({"tunnel": "portal", "source": "home"}, "is no IP address"),
    ({}, "tunnel"),
])
async def test_a_question_about_nothing_is_answered_by_a_sentence(tunnel: Tunnel, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        answers(tunnel.portal).answer("pick", arguments)
