"""`observatory` and `burstObservatory`."""

from __future__ import annotations

import pytest

from proxycore.observatory.probe_url import parse_probe_url
from proxycore.observatory.settings import BurstSettings, ObservatorySettings, Observed
from tests.proxycore.document.reading import lines_of, read

OUTBOUNDS = '"outbounds": [{"tag": "a1", "protocol": "freedom"}]'


def observed(section: str) -> Observed | None:
    return read(f"{{{OUTBOUNDS}, {section}}}").observed


def messages(section: str) -> list[str]:
    return [line.split(": ", 1)[1] for line in lines_of(f"{{{OUTBOUNDS}, {section}}}")]


def test_an_observatory_has_the_defaults_of_the_cores() -> None:
    assert observed('"observatory": {"subjectSelector": ["a"]}') == ObservatorySettings(
        "observatory", ("a",), parse_probe_url("https://www.google.com/generate_204"), 10.0, False)


def test_what_an_observatory_says_is_read() -> None:
    section = '''"observatory": {"subjectSelector": "a,b", "probeURL": "http://127.0.0.1:8080/x?y", "probeInterval": "1m30s",
        "enableConcurrency": true}'''
    assert observed(section) == ObservatorySettings(
        "observatory", ("a", "b"), parse_probe_url("http://127.0.0.1:8080/x?y"), 90.0, True)
    assert messages(section) == []


def test_a_burst_observatory_has_the_defaults_of_the_cores() -> None:
    assert observed('"burstObservatory": {"subjectSelector": ["a"], "pingConfig": {}}') == BurstSettings(
        "burstObservatory", ("a",), parse_probe_url("https://connectivitycheck.gstatic.com/generate_204"), None, 60.0, 10, 5.0,
        "HEAD")


def test_what_a_burst_observatory_says_is_read() -> None:
    section = '''"burstObservatory": {"subjectSelector": ["a"], "pingConfig": {"destination": "https://a.example/",
        "connectivity": "http://b.example", "interval": "20s", "sampling": 3, "timeout": "2s", "httpMethod": "GET"}}'''
    assert observed(section) == BurstSettings(
        "burstObservatory", ("a",), parse_probe_url("https://a.example/"), parse_probe_url("http://b.example"), 20.0, 3, 2.0,
        "GET")
    assert messages(section) == []


def test_out_of_range_counts_as_the_cores_take_it() -> None:
    ping = '"pingConfig": {"interval": "1s", "sampling": -1, "timeout": "-1s", "httpMethod": "", "connectivity": ""}'
    section = f'"burstObservatory": {{"subjectSelector": ["a"], {ping}}}'
    found = observed(section)
    assert isinstance(found, BurstSettings)
    assert (found.interval_s, found.sampling, found.timeout_s, found.method) == (10.0, 10, 5.0, "HEAD")
    assert found.connectivity is None
    assert messages(section) == [
        "warning: burstObservatory.pingConfig.interval: is shorter than 10 s, which is used instead"]


def test_where_both_are_given_balancers_use_the_simple_one() -> None:
    section = '"observatory": {"subjectSelector": ["a"]}, "burstObservatory": {"subjectSelector": ["a"], "pingConfig": {}}'
    assert isinstance(observed(section), ObservatorySettings)
    assert messages(section) == [
        "warning: burstObservatory: has no effect: balancers use one observatory only, and there is the other kind too "
        "(keep one of the two)"]


def test_a_selector_that_fits_nothing_is_noted() -> None:
    for section in ('"observatory": {"subjectSelector": ["b"]}', '"observatory": {}'):
        (line,) = messages(section)
        assert line.startswith("warning: observatory.subjectSelector: selects no outbound, so nothing is observed")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ('"observatory": {"probeURL": "ftp://a/"}', "observatory.probeURL: the URL must begin with http:// or https://"),
        ('"observatory": {"probeURL": "http://"}', "observatory.probeURL: the URL names no host that could be connected to"),
        ('"observatory": {"probeURL": "http://a:b/"}', "observatory.probeURL: the URL's host or port cannot be read"),
        ('"observatory": {"probeURL": "http://a/ b"}',
         "observatory.probeURL: a URL such as https://www.example.com/ is expected"),
        ('"observatory": {"probeURL": "http://u:p@a/"}',
         "observatory.probeURL: the URL must not have a user or password in it"),
        ('"observatory": {"probeURL": 1}', "observatory.probeURL: a URL as text is expected"),
        ('"observatory": {"probeInterval": 10}',
         'observatory.probeInterval: a duration as text is expected, such as "10s" or "1m30s"'),
        ('"observatory": {"enableConcurrency": "yes"}', "observatory.enableConcurrency: true or false is expected, not text"),
        ('"burstObservatory": {"subjectSelector": ["a"]}', "burstObservatory.pingConfig: is required"),
        ('"burstObservatory": {"pingConfig": {"sampling": 1001}}', "burstObservatory.pingConfig.sampling: must be at most 1000"),
        ('"burstObservatory": {"pingConfig": {"httpMethod": "a b"}}',
         "burstObservatory.pingConfig.httpMethod: an HTTP method such as HEAD or GET is expected"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(section: str, message: str) -> None:
    assert messages(section) == [f"error: {message}"]
