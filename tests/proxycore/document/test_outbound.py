"""Entries of `outbounds`, and their mux."""

from __future__ import annotations

import pytest

from tests.proxycore.document.reading import ID, lines_of, read

VMESS = f'"protocol": "vmess", "settings": {{"address": "192.0.2.1", "port": 1024, "id": "{ID}"}}'


def vmess(fields: str) -> str:
    return f'{{"outbounds": [{{{fields}, {VMESS}}}]}}'


def test_mux_has_the_defaults_of_the_cores() -> None:
    mux = read(vmess('"mux": {"enabled": true}')).outbounds[0].mux
    assert (mux.enabled, mux.tcp_concurrency, mux.xudp_concurrency, mux.udp443) == (True, 8, 0, "reject")


def test_mux_is_read() -> None:
    mux = (
        read(vmess('"mux": {"enabled": true, "concurrency": -1, "xudpConcurrency": 16, "xudpProxyUDP443": "allow"}'))
        .outbounds[0]
        .mux
    )
    assert (mux.tcp_concurrency, mux.xudp_concurrency, mux.udp443) == (-1, 16, "allow")


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ('"mux": {"enabled": 1}', "a.json:1:36: error: outbounds[0].mux.enabled: true or false is expected, not a number"),
        (
            '"mux": {"xudpProxyUDP443": "alow"}',
            "a.json:1:44: error: outbounds[0].mux.xudpProxyUDP443: "
            "\"alow\" is not one of '', 'reject', 'allow' or 'skip' (did you mean \"allow\"?)",
        ),
        ('"mux": {"concurrency": 99999}', "a.json:1:40: error: outbounds[0].mux.concurrency: must be at most 32767"),
        (
            '"sendThrough": "original"',
            'a.json:1:32: error: outbounds[0].sendThrough: an IP address of this host, a range of them, "origin" or "srcip" '
            "is expected",
        ),
        (
            '"proxySettings": {"tag": "x"}',
            'a.json:1:42: error: outbounds[0].proxySettings.tag: there is no outbound or portal "x"',
        ),
        (
            '"targetStrategy": "UseIPv5"',
            'a.json:1:35: error: outbounds[0].targetStrategy: "UseIPv5" is not one of asis, useip, useipv4, useipv6, '
            'useipv4v6, useipv6v4, forceip, forceipv4, forceipv6, forceipv4v6, forceipv6v4; did you mean "useipv6"?',
        ),
    ],
)
def test_what_is_wrong_with_an_outbound_is_told(fields: str, line: str) -> None:
    assert lines_of(vmess(fields)) == [line]


def test_fields_that_say_nothing_are_accepted() -> None:
    assert lines_of(vmess('"sendThrough": "0.0.0.0", "proxySettings": {}, "targetStrategy": "asis", "mux": {}')) == []
    assert lines_of(vmess('"targetStrategy": "forceipv4v6"')) == []


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("trojan", 'the outbound protocol "trojan" is known to Xray, not run by this version; this version runs '),
        ("tunnel", '"tunnel" is no outbound protocol; this version runs '),
        ("freedon", '"freedon" is no protocol; did you mean "freedom"?; this version runs '),
    ],
)
def test_a_protocol_that_is_not_run_is_refused_by_name(protocol: str, message: str) -> None:
    (line,) = lines_of(f'{{"outbounds": [{{"protocol": "{protocol}"}}]}}')
    assert line.startswith(f"a.json:1:29: error: outbounds[0].protocol: {message}")
    assert "blackhole" in line


def test_mux_is_refused_where_no_other_core_is_at_the_end() -> None:
    assert lines_of('{"outbounds": [{"protocol": "freedom", "mux": {"enabled": true}}]}') == [
        "a.json:1:59: error: outbounds[0].mux.enabled: freedom leads to no other core, so nothing there would understand mux"
    ]
