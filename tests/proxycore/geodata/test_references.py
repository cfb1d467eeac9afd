"""Entries of rules that name lists."""

from __future__ import annotations

import re

import pytest

from proxycore.geodata.references import (
    AddressReference,
    DomainReference,
    address_reference,
    domain_reference,
)


@pytest.mark.parametrize(
    ("text", "file", "code", "attributes"),
    [
        ("geosite:cn", "geosite.dat", "CN", set()),
        ("geosite:Google@ADS", "geosite.dat", "GOOGLE", {"ads"}),
        ("geosite:google@ads@cn", "geosite.dat", "GOOGLE", {"ads", "cn"}),
        ("geosite:geolocation-!cn", "geosite.dat", "GEOLOCATION-!CN", set()),
        ("ext:more/my.dat:x@y", "more/my.dat", "X", {"y"}),
        ("ext-domain:my.dat:x", "my.dat", "X", set()),
        ("ext-site:my.dat:x", "my.dat", "X", set()),
    ],
)
def test_a_list_of_domains_is_named_by_file_and_code(text: str, file: str, code: str, attributes: set[str]) -> None:
    assert domain_reference(text) == DomainReference(file, code, frozenset(attributes), text)


@pytest.mark.parametrize(
    ("text", "file", "code", "is_negated"),
    [
        ("geoip:private", "geoip.dat", "PRIVATE", False),
        ("geoip:!cn", "geoip.dat", "CN", True),
        ("!geoip:cn", "geoip.dat", "CN", True),
        ("!geoip:!cn", "geoip.dat", "CN", False),
        ("!!geoip:cn", "geoip.dat", "CN", False),
        ("ext:my.dat:x", "my.dat", "X", False),
        ("!ext-ip:my.dat:!!x", "my.dat", "X", True),
    ],
)
def test_a_list_of_addresses_may_be_negated_in_two_places(text: str, file: str, code: str, is_negated: bool) -> None:
    assert address_reference(text) == AddressReference(file, code, is_negated, text)


@pytest.mark.parametrize("text", ["example.com", "domain:geosite", "full:ext", "geoip:cn", "GEOSITE:cn", ""])
def test_any_other_domain_entry_names_no_list(text: str) -> None:
    assert domain_reference(text) is None


@pytest.mark.parametrize("text", ["10.0.0.0/8", "!::1", "geosite:cn", "fe80::1", "ext-site:f:x"])
def test_any_other_address_entry_names_no_list(text: str) -> None:
    assert address_reference(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("geosite:", "`geosite:` must name a list"),
        ("geosite:@ads", "`geosite:` must name a list"),
        ("geosite:a@", "there is nothing behind an `@`"),
        ("geosite:a@@b", "there is nothing behind an `@`"),
        ("ext:file", "`ext:file:code` is expected"),
        ("ext-site::x", "`ext-site:file:code` is expected"),
        ("ext:../x.dat:x", "the file must be the name of one inside the asset folder"),
        ("ext:a/../../x.dat:x", "the file must be the name of one inside the asset folder"),
        ("ext:/etc/passwd:x", "the file must be the name of one inside the asset folder"),
        ("geosite:" + "x" * 513, "the entry is longer than 512 characters"),
    ],
)
def test_a_list_that_is_named_wrongly_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        domain_reference(text)


@pytest.mark.parametrize(
    ("text", "reason"), [("geoip:!", "`geoip:` must name a list"), ("!ext-ip:x", "`ext-ip:file:code` is expected")]
)
def test_the_same_of_addresses(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        address_reference(text)
