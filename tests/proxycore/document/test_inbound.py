"""Entries of `inbounds`, and their stream settings."""

from __future__ import annotations

import pytest

from tests.proxycore.document.reading import lines_of, read


def inbound(fields: str) -> str:
    return f'{{"inbounds": [{{"protocol": "tunnel", {fields}}}]}}'


@pytest.mark.parametrize(
    ("port", "ranges"),
    [
        ("80", ((80, 80),)),
        ('"80"', ((80, 80),)),
        ('"1000-1002"', ((1000, 1002),)),
        ('"80, 443-445,,8080"', ((80, 80), (443, 445), (8080, 8080))),
        ('"env:PORTAL_PORT"', ((7000, 7002),)),
        ('"0-3"', ((1, 3),)),
    ],
)
def test_a_port_is_read_in_every_form(port: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert read(inbound(f'"port": {port}')).inbounds[0].ports == ranges


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ('"listen": "::"', "a.json:1:15: error: inbounds[0].port: is required"),
        ('"port": "env:NONE"', "a.json:1:46: error: inbounds[0].port: the environment variable NONE is not set"),
        ('"port": "5-3"', "a.json:1:46: error: inbounds[0].port: the range 5-3 contains no port"),
        ('"port": 0', "a.json:1:46: warning: inbounds[0].port: nothing listens on port 0"),
        (
            '"port": 1, "listen": "example.org"',
            'a.json:1:59: error: inbounds[0].listen: '
            'an IP address of this host, "localhost" or the path of a unix socket is expected',
        ),
        ('"port": 1, "allocate": {}', "a.json:1:49: warning: inbounds[0].allocate: has no effect: Xray ignores it too"),
        (
            '"port": 1, "sniffing": {"enabled": true, "destOverride": ["http", "htps"]}',
            'a.json:1:104: error: inbounds[0].sniffing.destOverride[1]: "htps" is not one of http, tls, https, ssl, quic, '
            'fakedns, fakedns+others; did you mean "https"?',
        ),
        (
            '"port": 1, "sniffing": {"enabled": true, "destOverride": ["fakedns", "http"]}',
            "a.json:1:95: warning: inbounds[0].sniffing.destOverride: fakedns is known to Xray, not run by this version; "
            "it has no effect",
        ),
        (
            '"port": 1, "sniffing": {"enabled": true, "metadataOnly": true}',
            "a.json:1:95: warning: inbounds[0].sniffing.metadataOnly: so nothing is sniffed: only fakedns, which is not "
            "run, has names there",
        ),
        (
            '"port": 1, "sniffing": {"enabled": true, "domainsExcluded": ["fulll:a"]}',
            "a.json:1:99: error: inbounds[0].sniffing.domainsExcluded[0]: `fulll:` is no kind of domain entry; did you mean "
            "`full:`?",
        ),
    ],
)
def test_what_is_wrong_with_an_inbound_is_told(fields: str, line: str) -> None:
    assert lines_of(inbound(fields)) == [line]


@pytest.mark.parametrize(
    "stream",
    [
        "{}",
        '{"network": "TCP"}',
        '{"method": "raw"}',
        '{"security": ""}',
        '{"security": "none", "rawSettings": {"header": {"type": "none"}}}',
        '{"tcpSettings": {"acceptProxyProtocol": false}}',
        '{"sockopt": {"mark": 0, "tproxy": "off", "tcpFastOpen": false}}',
    ],
)
def test_stream_settings_that_change_nothing_are_accepted(stream: str) -> None:
    assert lines_of(inbound(f'"port": 1, "streamSettings": {stream}')) == []


@pytest.mark.parametrize(
    ("stream", "path", "message"),
    [
        (
            '{"network": "grpc"}',
            "network",
            'the network "grpc" is known to Xray, not run by this version, which runs raw (tcp), ws and httpupgrade',
        ),
        ('{"network": "rwa"}', "network", '"rwa" is no network; did you mean "raw"?'),
        (
            '{"security": "reality"}',
            "security",
            'the security "reality" is known to Xray, not run by this version, which runs none and tls',
        ),
        ('{"security": "tls"}', "security", 'an inbound with TLS needs a certificate with its key (give "certificates")'),
        ('{"security": "realty"}', "security", '"realty" is no security; did you mean "reality"?'),
        (
            '{"rawSettings": {"header": {"type": "srtp"}}}',
            "rawSettings.header.type",
            '"none" or "http" is expected',
        ),
        (
            '{"network": "ws", "wsSettings": {"maxEarlyData": 2048}}',
            "wsSettings.maxEarlyData",
            "is known to V2Ray, not run by this version; write ?ed=2048 after the path",
        ),
        (
            '{"sockopt": {"addressPortStrategy": "SrvPortOnly"}}',
            "sockopt.addressPortStrategy",
            "the socket option is known to Xray, not run by this version",
        ),
        ('{"finalmask": {"tcp": [1]}}', "finalmask", "is known to Xray, not run by this version"),
        ('{"sockopt": {"customSockopt": [{"opt": "a", "type": "int"}]}}', "sockopt.customSockopt[0].opt",
         "a number as text is expected"),
        ('{"sockopt": {"customSockopt": [{"opt": "9", "type": "float"}]}}', "sockopt.customSockopt[0].type",
         "\"float\" is not one of 'int' or 'str'"),
        ('{"sockopt": {"customSockopt": [{"opt": "9", "type": "int", "value": "4294967296"}]}}', "sockopt.customSockopt[0]",
         "its value: a number as text is expected"),
        ('{"sockopt": {"happyEyeballs": {"tryDelayMs": -1}}}', "sockopt.happyEyeballs.tryDelayMs", "must be at least 0"),
    ],
)
def test_stream_settings_that_are_not_run_are_refused_by_name(stream: str, path: str, message: str) -> None:
    lines = lines_of(inbound(f'"port": 1, "streamSettings": {stream}'))
    assert [line.split(": ", 1)[1] for line in lines] == [f"error: inbounds[0].streamSettings.{path}: {message}"]


def test_settings_of_a_transport_that_is_not_used_are_noted() -> None:
    assert lines_of(inbound('"port": 1, "streamSettings": {"wsSettings": {"path": "/"}}')) == [
        "a.json:1:68: warning: inbounds[0].streamSettings.wsSettings: has no effect: "
        "it belongs to a transport or security that is not used here"
    ]


def test_sniffing_is_what_the_inbound_is_run_with() -> None:
    sniffing = '"sniffing": {"enabled": true, "destOverride": "http,ssl,https,fakedns+others", "routeOnly": true}'
    (entry,) = read(inbound(f'"port": 1, {sniffing}')).inbounds
    assert entry.sniffing is not None
    assert (entry.sniffing.overrides, entry.sniffing.route_only) == (("http", "tls"), True)


def test_sniffing_that_is_off_is_not_run() -> None:
    (entry,) = read(inbound('"port": 1, "sniffing": {"enabled": false, "destOverride": ["http"]}')).inbounds
    assert entry.sniffing is None
