"""Places as text."""

from __future__ import annotations

import pytest

from proxycore.document.jsonc import Loc
from proxycore.document.places import parse_path, render_path

PLACES: list[tuple[Loc, str]] = [
    ((), ""),
    (("inbounds", 0, "settings", "clients", 12, "id"), "inbounds[0].settings.clients[12].id"),
    (("a", "b.c", "d"), 'a["b.c"].d'),
    (("a b",), '["a b"]'),
    (("portMap", "5555"), "portMap.5555"),
]


@pytest.mark.parametrize(("loc", "text"), PLACES)
def test_a_place_is_written_as_in_javascript(loc: Loc, text: str) -> None:
    assert render_path(loc) == text


@pytest.mark.parametrize(("loc", "text"), PLACES)
def test_a_written_place_is_found_again(loc: Loc, text: str) -> None:
    assert parse_path(text) == loc


def test_a_long_key_is_cut() -> None:
    assert render_path(("a" * 1000,)) == "a" * 64
