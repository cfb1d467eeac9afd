"""What leastLoad multiplies by."""

from __future__ import annotations

import pytest

from proxycore.balancing.costs import Cost, Costs
from proxycore.routing.patterns import Pattern


@pytest.mark.parametrize(
    ("entry", "tag", "cost"),
    [
        (Cost("eu", None, 4.0), "eu-1", 4.0),
        (Cost("eu", None, 4.0), "us-1", 1.0),
        (Cost("eu", None, 0.0), "eu-1", 1.0),                                # the text that was found has no number
        (Cost("x2.5", None, 0.0), "eu-x2.5", 2.5),
        (Cost("", None, 4.0), "eu-1", 1.0),                                  # nothing is found by looking for nothing
        (Cost("-[0-9]+", Pattern("-[0-9]+"), 0.0), "eu-16-3", 16.0),
        (Cost("-[0-9]+", Pattern("-[0-9]+"), 3.0), "eu-16", 3.0),
        (Cost("^us", Pattern("^us"), 3.0), "eu-us", 1.0),
        (Cost("eu", None, -1.0), "eu-7", 1.0),
    ],
)
def test_the_cost_of_a_tag(entry: Cost, tag: str, cost: float) -> None:
    assert Costs([entry]).of(tag) == cost


def test_the_first_entry_that_is_found_counts() -> None:
    costs = Costs([Cost("us", None, 9.0), Cost("e", None, 4.0), Cost("eu", None, 16.0)])
    assert costs.of("eu") == 4.0


def test_values_are_scaled_by_the_square_root() -> None:
    costs = Costs([Cost("eu", None, 16.0)])
    assert (costs.scale("eu", 100), costs.scale("us", 100), Costs().scale("eu", 7)) == (400, 100, 7)
    assert Costs([Cost("x", None, 1e300)]).scale("x", 10**18) == 2**63
