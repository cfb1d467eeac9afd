"""DNS messages: vectors, the library dnspython as the other side, broken ones, and a flood of nonsense."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import dns.edns
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.dns.codec import (
    AAAA,
    MAX_CHAIN,
    MAX_RECORDS,
    A,
    MessageDecoder,
    Query,
    encode_answer,
    encode_query,
    framed,
    labels_of,
    parse_query,
    parse_response,
    question_of,
)
from proxycore.errors import LimitError, PeerError

QUERY = bytes.fromhex("1234 0100 0001 0000 0000 0000 03777777 0473697465 036f7267 00 0001 0001")
ANSWER = bytes.fromhex(
    "1234 8180 0001 0002 0000 0000 03777777 0473697465 036f7267 00 0001 0001"
    "c00c 0005 0001 00000e10 0006 0363646e c010"         # www is another name for cdn
    "c02a 0001 0001 0000003c 0004 0a000007"
)


def response(name: str, kind: str, *records: tuple[str, str], ttl: int = 300, authority: str = "") -> bytes:
    """An answer as the library writes it; `records` as (name, "TYPE data")."""
    message = dns.message.make_response(dns.message.make_query(name, kind, id=7))
    for owner, text in records:
        record_kind, _, data = text.partition(" ")
        message.answer.append(dns.rrset.from_text(owner, ttl, "IN", record_kind, data))
    if authority:
        message.authority.append(dns.rrset.from_text("org.", 900, "IN", "SOA", authority))
    return message.to_wire(max_size=65535)


def test_a_question_is_written() -> None:
    assert encode_query(0x1234, question_of("www.site.org", A)) == QUERY


def test_a_question_is_read() -> None:
    query = parse_query(QUERY)
    assert (query.id, query.question.name, query.question.type, query.udp_bytes) == (0x1234, "www.site.org", A, 512)


def test_an_answer_is_read_with_its_alias_and_the_smallest_time() -> None:
    found = parse_response(ANSWER)
    assert (found.id, found.rcode, found.addresses, found.ttl_s) == (0x1234, 0, (IPv4Address("10.0.0.7"),), 60)
    assert found.question is not None
    assert found.question.name == "www.site.org"


def test_what_we_write_the_library_reads() -> None:
    question = question_of("WWW.Site.org", AAAA)
    message = dns.message.from_wire(encode_query(99, question, IPv6Address("2001:db8:1:2:3:4:5:6"), pads=True))
    assert (message.id, message.question[0].to_text(), message.payload) == (99, "WWW.Site.org. IN AAAA", 1232)
    subnet, padding = message.options
    assert subnet.to_text() == "ECS 2001:db8:1:2:3:4::/96 scope/0"
    assert padding.otype == dns.edns.OptionType.PADDING
    assert len(message.to_wire()) == 128


def test_answers_of_ours_are_read_by_the_library_with_the_letters_of_the_question() -> None:
    asked = dns.message.make_query("wWw.sItE.oRg", "A", use_edns=0, payload=4096)
    query = parse_query(asked.to_wire())
    assert query.udp_bytes == 4096
    assert query.question.name == "www.site.org"
    answer = dns.message.from_wire(encode_answer(query, [IPv4Address("10.0.0.1"), IPv6Address("::1")], 30))
    assert asked.is_response(answer)
    assert [one.to_text() for one in answer.answer] == ["wWw.sItE.oRg. 30 IN A 10.0.0.1"]


def test_an_answer_that_does_not_fit_is_cut_and_says_so() -> None:
    query = parse_query(QUERY)
    message = encode_answer(query, [IPv4Address(number) for number in range(100)], 30, limit_bytes=512)
    assert len(message) <= 512
    assert parse_response(message).is_truncated
    assert len(dns.message.from_wire(message).answer[0]) == 30


@pytest.mark.parametrize(("kind", "number", "records", "expected"), [
    ("A", A, [("www.site.org.", "A 10.0.0.1"), ("www.site.org.", "A 10.0.0.2")], ["10.0.0.1", "10.0.0.2"]),
    ("AAAA", AAAA, [("www.site.org.", "AAAA 2001:db8::1")], ["2001:db8::1"]),
    ("A", A, [("other.org.", "A 6.6.6.6")], []),
    ("A", A, [("b.org.", "A 10.0.0.3"), ("www.site.org.", "CNAME a.org."), ("a.org.", "CNAME b.org.")], ["10.0.0.3"]),
    ("A", A, [("www.site.org.", "CNAME a.org."), ("a.org.", "CNAME www.site.org.")], []),
    ("A", A, [("www.site.org.", "CNAME www.site.org.")], []),
    ("A", A, [("www.site.org.", "TXT hello"), ("WWW.SITE.ORG.", "A 10.0.0.4")], ["10.0.0.4"]),
])
def test_only_addresses_of_the_name_that_was_asked_for_count(
    kind: str, number: int, records: list[tuple[str, str]], expected: list[str]
) -> None:
    found = parse_response(response("www.site.org", kind, *records))
    assert [str(ip) for ip in found.addresses] == expected
    assert found.question is not None
    assert found.question.type == number


def test_a_chain_of_aliases_is_followed_so_far() -> None:
    chain = [(f"n{number}.org.", f"CNAME n{number + 1}.org.") for number in range(MAX_CHAIN)]
    end = (f"n{MAX_CHAIN}.org.", "A 10.0.0.1")
    assert parse_response(response("n0.org", "A", *chain, end)).addresses == ()
    assert parse_response(response("n1.org", "A", *chain, end)).addresses == (IPv4Address("10.0.0.1"),)


def test_that_there_is_nothing_holds_as_long_as_the_soa_says() -> None:
    assert parse_response(response("www.site.org", "A", authority="ns. root. 1 2 3 4 77")).ttl_s == 77
    assert parse_response(response("www.site.org", "A", authority="ns. root. 1 2 3 4 7777")).ttl_s == 900
    assert parse_response(response("www.site.org", "A")).ttl_s is None


def test_an_answer_that_is_cut_has_no_addresses() -> None:
    cut = bytearray(ANSWER[:40])
    cut[2] |= 0x02
    found = parse_response(bytes(cut))
    assert (found.is_truncated, found.addresses) == (True, ())


@pytest.mark.parametrize("size", range(len(ANSWER)))
def test_an_answer_that_ends_early_is_refused(size: int) -> None:
    with pytest.raises(PeerError):
        parse_response(ANSWER[:size])


@pytest.mark.parametrize("size", range(len(QUERY)))
def test_a_question_that_ends_early_is_refused(size: int) -> None:
    with pytest.raises(PeerError):
        parse_query(QUERY[:size])


@pytest.mark.parametrize("name", [
    "c00c", "c00e", "c0ff", "01 61 c00c", "41" + "61" * 65 + "00", "80 00", ("3f" + "61" * 63) * 5 + "00",
])
def test_names_that_lead_nowhere_are_refused(name: str) -> None:
    with pytest.raises(PeerError):
        parse_query(QUERY[:12] + bytes.fromhex(name) + bytes.fromhex("0001 0001"))


def test_a_pointer_may_only_lead_back() -> None:
    # the record's name points at a pointer, which points at itself through the first
    looping = bytes.fromhex("1234 8180 0001 0001 0000 0000 0161 00 0001 0001 c013 0001 0001 00000000 0004 0a000001")
    with pytest.raises(PeerError, match="circles"):
        parse_response(looping)


def test_more_records_than_anyone_needs_are_refused() -> None:
    many = bytearray(ANSWER)
    many[6:8] = (MAX_RECORDS + 1).to_bytes(2, "big")
    with pytest.raises(LimitError):
        parse_response(bytes(many))


@pytest.mark.parametrize("data", [ANSWER, QUERY[:4] + b"\0\2" + QUERY[6:], QUERY[:2] + b"\x28\0" + QUERY[4:]],
                         ids=["an answer", "two questions", "an update"])
def test_what_is_no_question_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        parse_query(data)


def test_a_question_is_no_answer() -> None:
    with pytest.raises(PeerError):
        parse_response(QUERY)


@pytest.mark.parametrize(("name", "labels"), [
    ("a.b", (b"a", b"b")), ("a.b.", (b"a", b"b")), ("b\u00fccher.example", (b"xn--bcher-kva", b"example")),
    ("_x.y", (b"_x", b"y")),
])
def test_a_name_is_cut_into_labels(name: str, labels: tuple[bytes, ...]) -> None:
    assert labels_of(name) == labels


@pytest.mark.parametrize("name", ["", ".", "..", "a..b", ".a", "a" * 64, ".".join(["a" * 63] * 4), "a\\.b", "\u00fc" * 64])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="domain name"):
        labels_of(name)


def test_odd_characters_of_a_name_are_shown_as_numbers() -> None:
    query = parse_query(QUERY[:12] + b"\x03a.b\x01\\\x02\xc3\xa9\x00\x00\x0c\x00\x01")
    assert query.question.name == "a\\046b.\\092.\\195\\169"
    echoed = encode_answer(query, rcode=3)
    assert echoed[12:] == b"\x03a.b\x01\\\x02\xc3\xa9\x00\x00\x0c\x00\x01"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 4096])
def test_messages_on_a_stream_are_the_same_however_it_is_cut(step: int) -> None:
    stream = framed(QUERY) + framed(b"") + framed(ANSWER) + b"\0"
    decoder, found = MessageDecoder(), []
    for begin in range(0, len(stream), step):
        found += decoder.feed(stream[begin:begin + step])
    assert found == [QUERY, b"", ANSWER]


@given(st.binary(max_size=200), st.integers(0, 80))
def test_nonsense_is_refused_and_nothing_else(data: bytes, at: int) -> None:
    for message in (data, ANSWER[:at] + data, QUERY[:at] + data, ANSWER[:at] + data + ANSWER[at + len(data):]):
        for parse in (parse_query, parse_response):
            try:
                parse(message)
            except PeerError:
                continue


@given(st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,63}", fullmatch=True), min_size=1, max_size=3), st.integers(0, 65535))
def test_any_question_comes_back(labels: list[str], number: int) -> None:
    name = ".".join(labels)
    question = question_of(name, number)
    query = parse_query(encode_query(number, question))
    assert query == Query(number, question, 512)
    assert query.question.name == name.lower()
