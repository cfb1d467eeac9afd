"""Port lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.routing.ports import PortCondition, PortRange, parse_ports, show_ports
from tests.proxycore.routing.requests import request


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        (80, ((80, 80),)),
        (0, ((0, 0),)),
        ("80", ((80, 80),)),
        ("1000-1002", ((1000, 1002),)),
        ("80, 443 - 445,,7", ((80, 80), (443, 445), (7, 7))),
        ("env:P", ((1, 2),)),
    ],
)
def test_a_list_is_read_in_every_form(value: object, ranges: tuple[PortRange, ...]) -> None:
    assert parse_ports(value, {"P": " 1-2 "}) == ranges


@pytest.mark.parametrize(
    "value",
    [
        70000,
        -1,
        80.0,
        True,
        None,
        [80],
        "",
        ",",
        "80-",
        "-80",
        "abc",
        "70000",
        "5-3",
        "1-70000",
        "٣",
        "+80",
        "env:Q",
        "env:L",
        "9" * 5000,
    ],
)
def test_what_is_no_list_of_ports_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"port|environment"):
        parse_ports(value, {"L": "80,81"})


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair))), min_size=1),
    st.integers(0, 45),
)
def test_a_port_is_in_the_list_if_it_is_in_one_of_its_ranges(ranges: list[PortRange], port: int) -> None:
    condition = PortCondition("destination", ranges)
    assert condition.holds(request(port=port)) == any(low <= port <= high for low, high in ranges)
    assert condition.width == len({one for low, high in ranges for one in range(low, high + 1)})


def test_port_0_is_not_inside_all_ports() -> None:
    assert not PortCondition("destination", [(1, 65535)]).holds(request(port=0))
    assert PortCondition("destination", [(0, 0)]).holds(request(port=0))


def test_an_unknown_port_is_in_no_list() -> None:
    condition = PortCondition("source", [(0, 65535)])
    assert not condition.holds(request())
    assert condition.why(request()) == "the source port is not known"
    assert condition.holds(request(source=("10.0.0.1", 5)))
    assert (
        PortCondition("local", [(80, 80), (90, 95)]).why(request(local=("10.0.0.1", 81)))
        == "the local port 81 is not in 80,90-95"
    )


def test_ranges_are_shown_as_they_are_written() -> None:
    assert show_ports([(80, 80), (90, 95)]) == "80,90-95"
