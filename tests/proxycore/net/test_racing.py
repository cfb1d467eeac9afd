"""In what order addresses are tried."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from proxycore.net.racing import Racing


def order(text: str, **named: object) -> str:
    """4a is an address of IPv4, 6a one of IPv6."""
    words = {
        ip_address(f"192.0.2.{ord(word[1])}" if word[0] == "4" else f"2001:db8::{word[1]}"): word for word in text.split()}
    return " ".join(words[ip] for ip in Racing(0.1, 4, **named).order(list(words)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "named", "found"), [
    ("6a 6b 4a 4b", {}, "4a 6a 4b 6b"),
    ("4a 4b 4c 6a", {"prioritizes_ipv6": True}, "6a 4a 4b 4c"),
    ("6a 6b 6c 4a 4b 4c", {"interleave": 2}, "4a 4b 6a 6b 4c 6c"),
    ("6a 6b 4a 4b", {"interleave": 0}, "4a 4b 6a 6b"),
    ("6a 6b 4a 4b", {"interleave": 0, "prioritizes_ipv6": True}, "6a 6b 4a 4b"),
    ("4b 4a", {"prioritizes_ipv6": True}, "4b 4a"),
    ("6b 6a", {}, "6b 6a"),
    ("4a", {}, "4a"),
])
def test_families_take_turns(text: str, named: dict[str, object], found: str) -> None:
    assert order(text, **named) == found
