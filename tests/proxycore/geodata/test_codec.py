"""Files of lists: what is in them is read, what is broken is refused, and nothing else happens."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.geodata import codec
from proxycore.geodata.codec import DatError, Span, index_lists, read_domains, read_ranges
from tests.support.dat_files import field, geoip, geosite

# Written out by hand: two lists, one entry each.
LITERAL = bytes.fromhex("0a12 0a02434e 120c 0802 1208 612e6578616d706c 0a0c 0a025553 1206 0803 1202 622e".replace(" ", ""))
ENTRIES = [
    "domain:Example.com", "full:www.example.org @ads @cn", "keyword:Tracker", "regexp:^A[0-9]+$", "domain:b.example @cn",
    "full:" + "x" * 200 + ".example",
]


def body(data: bytes, code: str) -> bytes:
    span = index_lists(data)[code]
    return data[span.start : span.end]


def test_the_lists_of_a_file_are_found_by_their_codes() -> None:
    assert index_lists(LITERAL) == {"CN": Span(2, 20), "US": Span(22, 34)}
    assert read_domains(LITERAL[2:20]).domains == {"a.exampl"}
    assert read_domains(LITERAL[22:34]).full == {"b."}
    assert index_lists(b"") == {}


def test_entries_are_sorted_by_kind_and_read_in_lower_case() -> None:
    lists = read_domains(body(geosite({"one": ENTRIES}), "ONE"))
    assert lists.domains == {"example.com", "b.example"}
    assert lists.full == {"www.example.org", "x" * 200 + ".example"}
    assert lists.keywords == {"tracker"}
    assert lists.regexps == ["^A[0-9]+$"]


@pytest.mark.parametrize(
    ("attributes", "names"),
    [({"cn"}, {"www.example.org", "b.example"}), ({"ads", "cn"}, {"www.example.org"}), ({"us"}, set())],
)
def test_an_entry_must_have_all_attributes_that_are_asked_for(attributes: set[str], names: set[str]) -> None:
    lists = read_domains(body(geosite({"ONE": ENTRIES}), "ONE"), frozenset(attributes))
    assert lists.full | lists.domains == names
    assert not lists.keywords
    assert not lists.regexps


def test_the_first_of_two_lists_with_the_same_code_counts() -> None:
    data = geosite({"a": ["full:one"], "A": ["full:two"]})
    assert read_domains(body(data, "A")).full == {"one"}


def test_blocks_are_read_as_ranges_and_mapped_ones_are_ipv4() -> None:
    ranges = read_ranges(body(geoip({"X": ["10.0.0.0/8", "::ffff:1.2.3.0/120", "2001:db8::/32", "::/0"]}), "X"))
    assert ranges.v4 == [(0x0A000000, 0x0AFFFFFF), (0x01020300, 0x010203FF)]
    assert ranges.v6 == [(0x20010DB8 << 96, (0x20010DB9 << 96) - 1), (0, 2**128 - 1)]


def test_host_bits_of_a_block_are_dropped() -> None:
    entry = field(1, bytes((10, 1, 2, 3))) + field(2, 8)
    assert read_ranges(field(1, b"X") + field(2, entry)).v4 == [(0x0A000000, 0x0AFFFFFF)]


def test_unknown_fields_are_passed_over() -> None:
    more = field(9, 300) + field(10, b"more") + b"\x5d1234" + b"\x6112345678"
    data = field(1, field(1, b"X") + more + field(2, more + field(2, b"a.example") + more) + field(3, 1))
    assert read_domains(body(data, "X")).keywords == {"a.example"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", "it is not a file of lists"),
        (field(1, b""), "it has a list that does not begin with its code"),
        (field(1, field(2, b"")), "it has a list that does not begin with its code"),
        (field(1, field(1, b"x" * 256)), "it has a code of more than 255 bytes"),
        (field(1, field(1, b"\xff")), "it has a text that is not UTF-8"),
        (b"\x0a" + b"\xff" * 10, "it has a number that is too long"),
        (b"\x0a\x05\x0a", "it ends too early"),
    ],
)
def test_a_broken_file_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DatError, match=re.escape(reason)):
        index_lists(data)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (field(1, 4) + field(2, b"x"), "it has an entry of the unknown kind 4"),
        (field(1, 2), "it has an entry without a text"),
        (field(1, 3) + field(2, b"x" * 4097), "it has an entry of more than 4096 bytes"),
        (field(1, 3) + field(2, b"a\nb"), "it has a text of several lines"),
        (field(1, 3) + field(2, b"\xff"), "it has a text that is not UTF-8"),
        (b"\x0b", "it has a field of an unknown kind"),
        (b"\x0d123", "it ends too early"),
    ],
)
def test_a_broken_domain_entry_is_refused(entry: bytes, reason: str) -> None:
    with pytest.raises(DatError, match=re.escape(reason)):
        read_domains(field(2, entry))


@pytest.mark.parametrize(
    "entry", [b"", field(1, b"123"), field(1, b"1234") + field(2, 33), field(1, b"x" * 16) + field(2, 129), field(2, 8)]
)
def test_what_is_no_block_is_refused(entry: bytes) -> None:
    with pytest.raises(DatError, match="it has an entry that is no block of addresses"):
        read_ranges(field(2, entry))


@pytest.mark.parametrize("name", ["MAX_LISTS", "MAX_ENTRIES"])
def test_the_limits_are_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, name, 2)
    lists = geosite({"A": ["full:a", "full:b"], "B": []})
    assert len(index_lists(lists)) == 2
    assert len(read_domains(body(lists, "A")).full) == 2
    if name == "MAX_LISTS":
        with pytest.raises(DatError, match="it has more than 2 lists"):
            index_lists(geosite({"A": [], "B": [], "C": []}))
    else:
        with pytest.raises(DatError, match="it has a list of more than 2 entries"):
            read_domains(body(geosite({"A": ["full:a", "full:b", "full:c"]}), "A"))
        with pytest.raises(DatError, match="it has a list of more than 2 entries"):
            read_ranges(body(geoip({"A": ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"]}), "A"))


def test_a_file_that_is_cut_anywhere_is_read_or_refused() -> None:
    data = geosite({"ONE": ENTRIES, "TWO": ["full:a"]})
    whole = index_lists(data)
    for end in range(len(data)):
        if end in (0, whole["ONE"].end):
            assert len(index_lists(data[:end])) == (end > 0)
        else:
            with pytest.raises(DatError):
                index_lists(data[:end])
    span = whole["ONE"]
    for end in range(span.start, span.end):
        try:
            read_domains(data[span.start : end], frozenset({"cn"}))
        except DatError:
            continue


@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda data: field(1, field(1, b"X") + field(2, data))))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (index_lists, read_domains, read_ranges):
        try:
            read(data)
        except DatError:
            continue


TEXTS = st.text(st.characters(blacklist_characters="\n\r :@", blacklist_categories=["Cs"]), min_size=1, max_size=160)


@given(st.lists(st.tuples(st.sampled_from(["full", "domain", "keyword", "regexp"]), TEXTS)))
def test_what_was_written_is_read_again(entries: list[tuple[str, str]]) -> None:
    lists = read_domains(body(geosite({"X": [f"{kind}:{text}" for kind, text in entries]}), "X"))
    assert lists.full == {text.lower() for kind, text in entries if kind == "full"}
    assert lists.domains == {text.lower() for kind, text in entries if kind == "domain"}
    assert lists.keywords == {text.lower() for kind, text in entries if kind == "keyword"}
    assert lists.regexps == [text for kind, text in entries if kind == "regexp"]
