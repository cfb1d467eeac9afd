"""Patterns as RE2 reads them: one, and many at once."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.routing import patterns as module
from proxycore.routing.patterns import Pattern, Patterns

SIMPLE = st.text(alphabet="ab.*^$()|?", max_size=8)


def is_pattern(text: str) -> bool:
    try:
        re.compile(text)
        Pattern(text)
    except (re.error, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b+", "abbc", "bb"), ("^$", "", ""), ("x", "abc", None), (r"\d", "٣", None), (r"a\z", "aa", "a"),
        ("[[:alpha:]]+", "1ab2", "ab"),
        (r"\pL+", "1é2", "é"), ("(?i)AB", "xab", "ab"), ("^.$", "é", "é"), ("a", "\ud800a", "a"), (r"\Qa.b\E", "axb", None),
    ],
)
def test_it_is_read_as_go_reads_it(pattern: str, text: str, found: str | None) -> None:
    assert Pattern(pattern).found_in(text) == found
    assert (Patterns([Pattern(pattern)]).find(text) is not None) == (found is not None)


@given(st.lists(SIMPLE.filter(is_pattern), max_size=30), st.lists(st.text(alphabet="ab.", max_size=12), max_size=5))
def test_many_are_found_as_if_each_were_looked_for(texts: list[str], names: list[str]) -> None:
    many = Patterns(map(Pattern, texts))
    assert len(many) == len(texts)
    for name in names:
        found = many.find(name)
        assert (found is not None) == any(re.search(text, name) for text in texts)
        assert found is None or re.search(found.text, name)


def test_more_than_are_looked_for_at_once_and_large_ones() -> None:
    texts = [f"^name{number}$" for number in range(300)] + [rf"\pL{{1,9}}-{number}$" for number in range(3)]
    many = Patterns(map(Pattern, texts))
    for text in ("name0", "name127", "name128", "name299"):
        assert many.find(text) == Pattern(f"^{text}$")
    assert many.find("é-2") == Pattern(r"\pL{1,9}-2$")
    assert many.find("name300") is None


def test_what_is_too_large_together_is_looked_for_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGE", 1 << 20)
    many = Patterns(Pattern(f"[a-z]{{900}}.*[0-9]{{900}}x{number}$") for number in range(128))
    assert many.find("a" * 900 + "0" * 900 + "x77") == Pattern("[a-z]{900}.*[0-9]{900}x77$")
    assert many.find("a" * 900) is None


@pytest.mark.parametrize("text", ["(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x(a|b)*y)*z", "(.*a){20}"])
def test_no_name_makes_it_slow(text: str) -> None:
    """Python's own engine would take longer than the universe has been there."""
    pattern, names = Pattern(text), ["a" * 255 + "!", "xay" * 85, "".join(random.Random(1).choices("axyb", k=255))]
    many = Patterns([pattern] * 5)
    begun = time.process_time()
    for name in names:
        assert (pattern.found_in(name) is None) == (many.find(name) is None)
    assert time.process_time() - begun < 0.5


def test_equal_texts_are_equal_patterns() -> None:
    assert len({Pattern("a"), Pattern("a"), Pattern("b")}) == 2
    assert Pattern("a") != "a"
