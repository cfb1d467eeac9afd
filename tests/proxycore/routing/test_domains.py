"""Domain entries."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.routing.domains import DomainCondition, Keywords, parse_domain
from tests.proxycore.routing.requests import request


def matches(entry: str, host: str) -> bool:
    return DomainCondition([parse_domain(entry)]).holds(request(host))


@pytest.mark.parametrize(
    ("entry", "host", "expected"),
    [
        ("full:a.b", "a.b", True),
        ("full:a.b", "x.a.b", False),
        ("full:A.b", "a.B", True),
        ("domain:a.b", "a.b", True),
        ("domain:a.b", "x.y.a.b", True),
        ("domain:a.b", "xa.b", False),
        ("domain:a.b", "a.b.c", False),
        ("domain:a.b", "a.b.", False),  # a trailing dot is part of the name
        ("keyword:oog", "www.google.com", True),
        ("oog", "www.gOOgle.com", True),
        ("ogo", "www.google.com", False),
        ("regexp:^a.c$", "abc", True),
        ("regexp:^a.c$", "abcd", False),
        ("regexp:b", "abc", True),  # unanchored
        ("regexp:B", "ABC", False),  # the name is in lower case, the pattern is not
        ("regexp:(?i)B", "ABC", True),
        (r"regexp:^\d$", "\u0663", False),  # ASCII classes, as in RE2
        ("dotless:", "localhost", True),
        ("dotless:", "a.b", False),
        ("dotless:host", "localhost", True),
        ("dotless:host", "host.x", False),
        ("full:10.0.0.1", "10.0.0.1", False),  # an address is no domain
        ("dotless:", "::1", False),
    ],
)
def test_an_entry_matches_as_in_xray(entry: str, host: str, expected: bool) -> None:
    assert matches(entry, host) is expected


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("", "the entry is empty"),
        ("domain:", "the entry is empty"),
        ("regexp:[", "the pattern does not compile: missing ]: ["),
        (r"regexp:a\Z", r"the pattern does not compile: invalid escape sequence: \Z"),
        ("regexp:a(?=b)", "the pattern does not compile: invalid perl operator: (?="),
        (r"regexp:\pL{300}\pN{300}", "the pattern does not compile: pattern too large - compile failed"),
        ("regexp:" + "a" * 4097, "the pattern is longer than 4096 characters"),
        ("dotless:a.b", "the text after `dotless:` must not contain a dot"),
        ("geosite:cn", "a list such as `geosite:` cannot be used here"),
        ("keywrod:a", "`keywrod:` is no kind of domain entry; did you mean `keyword:`?"),
        ("a.b:443", "`a.b:` is no kind of domain entry"),
    ],
)
def test_an_entry_that_means_nothing_is_refused(entry: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_domain(entry)


LETTERS = st.text(alphabet="ab.", max_size=12)


@given(st.lists(LETTERS, max_size=40), LETTERS)
def test_many_keywords_are_found_as_if_each_were_searched_for(keywords: list[str], name: str) -> None:
    found = Keywords(keywords).find(name)
    assert (found is not None) == any(keyword in name for keyword in keywords)
    assert found is None or (found in keywords and found in name)


def test_the_reason_names_the_entry() -> None:
    condition = DomainCondition([parse_domain(entry) for entry in ("full:a.b", "domain:c.d", "regexp:^e", "kw", "full:f")])
    assert condition.why(request("x.c.d")) == "the domain x.c.d fits domain:c.d"
    assert condition.why(request("Egg")) == "the domain Egg fits regexp:^e"
    assert condition.why(request("z")) == "the domain z does not fit full:a.b, domain:c.d, regexp:^e and 2 more"
    assert condition.why(request("10.0.0.1")) == "the target 10.0.0.1 is an address, not a domain"
