"""The name in a ClientHello, over TLS records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.sniff.codec_client_hello import read_server_name
from proxycore.sniff.codec_tls import sniff_tls
from proxycore.sniff.verdict import MORE, NOT, Sniffed, Undecided
from tests.proxycore.sniff.hellos import RFC_HELLO, openssl_hello, records

FOUND = Sniffed("tls", "example.com")


def hello(names: bytes) -> bytes:
    """A ClientHello with nothing but a server_name extension of this content."""
    extension = b"\x00\x00" + len(names).to_bytes(2) + names
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00" + len(extension).to_bytes(2) + extension
    return b"\x01" + len(body).to_bytes(3) + body


def host_name(name: bytes) -> bytes:
    return (len(name) + 3).to_bytes(2) + b"\x00" + len(name).to_bytes(2) + name


def test_the_name_is_found_in_one_record() -> None:
    assert sniff_tls(records(RFC_HELLO)) == FOUND


def test_the_name_is_found_in_what_openssl_sends() -> None:
    assert sniff_tls(openssl_hello("www.Example.org")) == Sniffed("tls", "www.Example.org")


@pytest.mark.parametrize("cuts", [(1,), (3, 4), (40, 70), (60, 61, 62, 63, 64, 65, 66)])
def test_the_name_is_found_over_several_records(cuts: tuple[int, ...]) -> None:
    assert sniff_tls(records(RFC_HELLO, *cuts)) == FOUND


@pytest.mark.parametrize("cuts", [(), (20, 30)], ids=["one record", "three records"])
def test_every_beginning_asks_for_more_until_the_name_is_there(cuts: tuple[int, ...]) -> None:
    data = records(RFC_HELLO, *cuts)
    verdicts = [sniff_tls(data[:size]) for size in range(len(data) + 1)]
    first = verdicts.index(FOUND)
    assert data[:first].endswith(b"example.com")
    assert verdicts == [MORE] * first + [FOUND] * (len(verdicts) - first)


def test_a_hello_that_names_nobody_is_nothing() -> None:
    assert sniff_tls(openssl_hello(None)) is NOT


@pytest.mark.parametrize("data", [
    b"\x15\x03\x01\x00\x02", b"\x16\x02", b"G", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\x40\x01", b"\x16\x03\x01\x00\x05\x02",
], ids=["an alert", "another major version", "text", "an empty record", "too long a record", "a ServerHello"])  # fmt: skip
def test_what_is_no_client_hello_is_known_at_once(data: bytes) -> None:
    assert sniff_tls(data) is NOT


@pytest.mark.parametrize("names", [
    host_name(b"a.example."), host_name(b"a b"), host_name(b"\xff"), host_name(b""), host_name(b"x" * 256), b"", b"\x00\x01",
    b"\x00\x09\x00\x00\x01a", b"\x00\x04\x00\x00\x09a", b"\x00\x04\x01\x00\x01a",
])  # fmt: skip
def test_a_name_that_is_none_is_not_taken(names: bytes) -> None:
    assert read_server_name(hello(names)) is NOT


def test_a_name_of_another_kind_is_passed_over() -> None:
    assert read_server_name(hello(b"\x00\x08\x07\x00\x01a\x00\x00\x01b")) == "b"


@pytest.mark.parametrize(("at", "byte"), [(0, 2), (3, 0), (4, 2), (38, 33), (40, 0xFF), (45, 0xFF)])
def test_lengths_that_do_not_fit_are_not_taken(at: int, byte: int) -> None:
    changed = bytearray(hello(host_name(b"a.example")))
    changed[at] = byte
    assert read_server_name(changed) is NOT


@given(st.binary(max_size=300), st.booleans())
def test_nothing_makes_it_raise(data: bytes, is_record: bool) -> None:
    begin = b"\x16\x03\x01\x00\x80\x01\x00" if is_record else b"\x16\x03"
    verdict = sniff_tls(begin + data)
    assert isinstance(verdict, Sniffed | Undecided)


@given(st.integers(0, len(RFC_HELLO) - 1), st.integers(0, 255))
def test_a_changed_byte_makes_it_raise_neither(at: int, byte: int) -> None:
    changed = bytearray(RFC_HELLO)
    changed[at] = byte
    assert isinstance(read_server_name(changed), str | Undecided)
