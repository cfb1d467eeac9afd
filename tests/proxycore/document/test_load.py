"""Whole documents: every problem at once, at its place; and what a good one becomes."""

from __future__ import annotations

import io
import json
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.api import check_text
from proxycore.document.load import MAX_FILE_BYTES, DocumentError, load_document, load_files
from proxycore.document.report import MAX_PROBLEMS
from proxycore.protocols.dokodemo.settings import DokodemoSettings
from proxycore.protocols.freedom.settings import FreedomSettings
from tests.proxycore.document.reading import ID, lines_of, problems_of, read

WRONG = """\
// A portal with /* many */ mistakes
{
  "inbounds": [
    {
      "tag": "web", # public
      "port": "80000",
      "protocol": "dokodemo-dor",
    },
    {
      "tag": "web", "Port": 1024, "protocol": "VMess",
      /* the bridge's
         credentials */
      "settings": { "clients": [
        { "id": 5 },
        { "id": "x", "alterId": 64 }, // old
        { "idd": "x" }
      ] },
      "streamSettings": { "network": "kcp", "sockopt": { "tproxy": "off", "mark": "" } },
      "sniffing": { "enabled": 1234 }
    }
  ],
  "geodata": { "servers": ["1.1.1.1"] }, "api": {}, "statz": 1,
  "outbounds": [
    { "tag": "direct", "protocol": "freedom", "settings": { "redirect": "host", "domainStrategy": "useipv5" } }
  ],
  "routing": { "rules": [ { "inboundTag": ["wed"], "outboundTag": "dirct" } ] }
}
"""


def test_all_problems_of_a_file_are_told_at_once_each_at_its_place() -> None:
    assert [(one.severity, one.line, one.column, one.path) for one in problems_of(WRONG)] == [
        ("error", 6, 15, "inbounds[0].port"),
        ("error", 7, 19, "inbounds[0].protocol"),
        ("error", 10, 14, "inbounds[1].tag"),
        ("warning", 10, 21, "inbounds[1].Port"),
        ("error", 14, 17, "inbounds[1].settings.clients[0].id"),
        ("error", 15, 33, "inbounds[1].settings.clients[1].alterId"),
        ("error", 16, 9, "inbounds[1].settings.clients[2].id"),
        ("warning", 16, 11, "inbounds[1].settings.clients[2].idd"),
        ("error", 18, 38, "inbounds[1].streamSettings.network"),
        ("error", 18, 83, "inbounds[1].streamSettings.sockopt.mark"),
        ("error", 19, 32, "inbounds[1].sniffing.enabled"),
        ("error", 22, 3, "geodata"),
        ("warning", 22, 42, "api"),
        ("warning", 22, 53, "statz"),
        ("error", 24, 73, "outbounds[0].settings.redirect"),
        ("error", 24, 99, "outbounds[0].settings.domainStrategy"),
        ("warning", 26, 44, "routing.rules[0].inboundTag[0]"),
        ("error", 26, 67, "routing.rules[0].outboundTag"),
    ]


def test_a_problem_says_what_was_probably_meant() -> None:
    text = "\n".join(lines_of(WRONG))
    assert 'inbounds[0].protocol: "dokodemo-dor" is no protocol; did you mean "dokodemo-door"?' in text
    assert 'clients[2].idd: unknown key, it is ignored (did you mean "id"?)' in text
    assert 'statz: unknown key, it is ignored (did you mean "stats"?)' in text
    assert 'did you mean "UseIPv6"?' in text
    assert 'rules[0].inboundTag[0]: there is no inbound or bridge "wed" (did you mean "web"?)' in text
    assert 'rules[0].outboundTag: there is no outbound or portal "dirct" (did you mean "direct"?)' in text


def test_a_wrong_value_is_not_repeated_where_it_may_be_a_secret() -> None:
    document = '{"inbounds": [{"port": 1, "protocol": "vmess", "settings": {"clients": [{"id": 987654321, "email": 123123}]}}]}'
    assert lines_of(document) == [
        "a.json:1:80: error: inbounds[0].settings.clients[0].id: text is expected, not a number",
        "a.json:1:100: error: inbounds[0].settings.clients[0].email: text is expected, not a number",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "a.json:1:1: error: the document is empty; at least {} is expected"),
        ("[]", "a.json:1:1: error: an object is expected: { ... }"),
        ('{"inbounds": {}}', "a.json:1:14: error: inbounds: a list is expected"),
        ('{"outbounds": [5]}', "a.json:1:16: error: outbounds[0]: an object is expected, not a number"),
        ('{"routing": []}', "a.json:1:13: error: routing: an object is expected, not a list"),
        (
            '{"log": {"loglevel": "wrning"}}',
            'a.json:1:22: error: log.loglevel: "wrning" is not one of debug, info, warning, error, none; did you mean "warning"?',
        ),
        ('{"log": {"access": 1}}', "a.json:1:20: error: log.access: text is expected, not a number"),
        ('{"log": {},\n "log": {}}', 'a.json:2:2: error: the key "log" is here twice; the first is on line 1'),
        ('{"log": {},\n "Log": {}}', 'a.json:2:2: error: Log: the key is here twice, as "log" and as "Log"'),
        (
            '{"inbound": {"port": 1}}',
            'a.json:1:2: error: inbound: the form of V2Ray 2 and 3 is not read; use "inbounds" and "outbounds"',
        ),
        ('{"api": {}}', "a.json:1:2: warning: api: is empty and has no effect"),
        ('{"geodata": null}', "a.json:1:2: warning: geodata: is empty and has no effect"),
        ('{"DNS": {"servers": []}}', 'a.json:1:2: warning: DNS: the key is written "dns" (letter case does not matter to Xray)'),
    ],
)
def test_the_top_level_is_checked(text: str, line: str) -> None:
    assert lines_of(text)[0] == line


def test_a_section_that_says_how_entries_work_and_is_not_run_is_refused_by_its_name() -> None:
    assert lines_of('{"transport": {"x": 1}}') == [
        "a.json:1:2: error: transport: the section is known to Xray, not run by this version: write what it says into "
        "streamSettings of the entries"
    ]


_NEWER = (
    'this is the newer format of V2Ray 5 ("jsonv5"), which is not read; write it in the older one, which V2Ray 5 reads as well')


@pytest.mark.parametrize(("text", "place"), [
    ('{"log": {"access": {"type": "Console"}}, "inbounds": [{"protocol": "socks", "port": 1, "settings": {"users": ["x"]}}]}',
     "a.json:1:10: error: log.access"),
    ('{"LOG": {"error": {"level": "Warning"}}}', "a.json:1:10: error: log.error"),
    ('{"router": {"rule": [{"tag": "x"}]}}', "a.json:1:2: error: router"),
    ('{"services": {"browser": {"listenAddr": "127.0.0.1"}}}', "a.json:1:2: error: services"),
])
def test_the_newer_format_of_v2ray_5_is_known_and_said_in_one_sentence(text: str, place: str) -> None:
    assert lines_of(text) == [f"{place}: {_NEWER}"]


_MANAGING = "(the panel has such figures, and a page /metrics for monitors)"


@pytest.mark.parametrize(("text", "line"), [
    ('{"fakeDns": [{"ipPool": "198.18.0.0/15"}]}', "1:2: warning: fakeDns: has no effect: this version invents no addresses"),
    ('{"version": {"min": "25.1"}}',
     "1:2: warning: version: has no effect: it says for which versions of Xray the document is"),
    ('{"api": {"services": ["StatsService"]}}',
     f"1:2: warning: api: the API of the cores is not run by this version {_MANAGING}"),
    ('{"api": {"tag": "api", "listen": "127.0.0.1:8080"}}',
     "1:2: warning: api: the API of the cores is not run by this version; nothing listens on 127.0.0.1:8080; "
     f'what rules send to "api" is closed {_MANAGING}'),
    ('{"metrics": {"tag": "m"}}',
     f'1:2: warning: metrics: the metrics page of Xray is not run by this version; what rules send to "m" is closed {_MANAGING}'),
    ('{"metrics": {"tagg": "m"}}', '1:14: warning: metrics.tagg: unknown key, it is ignored (did you mean "tag"?)'),
    ('{"api": []}', "1:2: warning: api: is empty and has no effect"),
    ('{"api": 7}', "1:9: error: api: an object is expected, not a number"),
    ('{"api": {"tag": 7}}', "1:17: error: api.tag: text is expected, not a number"),
])
def test_sections_without_which_a_document_does_the_same_keep_it_from_nothing(text: str, line: str) -> None:
    assert f"a.json:{line}" in lines_of(text)


def test_rules_may_lead_to_what_manages_other_cores() -> None:
    """As panels write it into every document."""
    rules = '{"inboundTag": ["in"], "outboundTag": "api"}, {"inboundTag": ["in"], "outboundTag": "apl"}'
    text = (
        '{"api": {"tag": "api"}, "inbounds": [{"tag": "in", "port": 1, "protocol": "tunnel"}], '
        f'"outbounds": [{{"tag": "direct", "protocol": "freedom"}}], "routing": {{"rules": [{rules}]}}}}')
    errors = [line for line in lines_of(text) if "error" in line]
    assert len(errors) == 1
    assert 'routing.rules[1].outboundTag: there is no outbound or portal "apl" (did you mean "api"?)' in errors[0]


def test_null_is_as_if_the_key_were_absent() -> None:
    document = read(
        '{"log": null, "inbounds": [{"port": 1, "protocol": "tunnel", "listen": null, "settings": null, "sniffing": null}]}'
    )
    assert document.inbounds[0].listen is None
    assert document.log.access == "none"


def test_without_a_log_section_there_is_no_access_log_and_with_an_empty_one_there_is() -> None:
    assert read("{}").log.access == "none"
    assert read('{"log": {}}').log.access == ""
    assert read('{"log": {"logLevel": "DEBUG"}}').log.loglevel == "debug"


def test_an_inbound_and_an_outbound_keep_their_place_and_their_settings() -> None:
    document = read(
        '{"inbounds": [{"tag": "in", "listen": "::1", "port": "80, 443-445", "protocol": "Dokodemo-Door",'
        ' "settings": {"port": 8080}}],'
        ' "outbounds": [{"tag": "out", "protocol": "DIRECT", "settings": {"redirect": ":81"}}]}'
    )
    inbound, outbound = document.inbounds[0], document.outbounds[0]
    assert (inbound.path, inbound.tag, inbound.listen) == ("inbounds[0]", "in", ip_address("::1"))
    assert inbound.ports == ((80, 80), (443, 445))
    assert isinstance(inbound.settings, DokodemoSettings)
    assert inbound.settings.target(80) == (None, 8080)
    assert (outbound.path, outbound.tag, outbound.spec.name) == ("outbounds[0]", "out", "freedom")
    assert isinstance(outbound.settings, FreedomSettings)
    assert outbound.settings.redirect_target == (None, 81)


def test_an_error_of_the_runtime_gets_its_line_and_column() -> None:
    loaded = load_document('{\n "inbounds": [\n  {"port": 1, "protocol": "tunnel"}\n ]\n}', "x.json")
    assert loaded.problem_at("inbounds[0].port", "the port is taken").render() == (
        "x.json:3:12: error: inbounds[0].port: the port is taken"
    )
    assert loaded.problem_at("inbounds[0].settings.clients", "none").line == 3


def test_settings_read_json_types_as_strictly_as_the_cores() -> None:
    server = f'{{"address": "h", "port": "1024", "users": [{{"id": "{ID}"}}]}}'
    document = f'{{"outbounds": [{{"protocol": "vmess", "settings": {{"vnext": [{server}]}}}}]}}'
    assert lines_of(document) == ["a.json:1:86: error: outbounds[0].settings.vnext[0].port: a whole number is expected, not text"]


def test_a_flood_of_problems_is_bounded_and_warnings_do_not_push_out_errors() -> None:
    warnings = ",".join(f'"x{number}": 1' for number in range(1000))
    found = problems_of("{" + warnings + ', "geodata": {"a": 1}}')
    assert len([one for one in found if one.severity == "warning"]) == MAX_PROBLEMS
    assert [one.path for one in found if one.severity == "error"] == ["geodata"]


def test_files_are_read_from_disk_and_from_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"outbounds": [{"tag": "a", "protocol": "freedom"}]}', encoding="utf-8")
    loaded = load_files([str(file), "-"], stdin=io.BytesIO(b'{"outbounds": [{"tag": "b", "protocol": "block"}]}'))
    assert [outbound.tag for outbound in loaded.document.outbounds] == ["b", "a"]


def test_a_file_that_cannot_be_read_is_a_problem_too(tmp_path: Path) -> None:
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'{\n"a": "\xe9"}')
    with pytest.raises(DocumentError) as caught:
        load_files([str(tmp_path / "none.json"), str(latin), str(tmp_path), "-"], stdin=io.BytesIO(b" " * (MAX_FILE_BYTES + 1)))
    assert [one.render() for one in caught.value.problems] == [
        f"{tmp_path}/none.json: error: cannot be read: No such file or directory",
        f"{latin}: error: is not UTF-8: line 2 has the byte 0xe9",
        f"{tmp_path}: error: cannot be read: Is a directory",
        f"-: error: is longer than {MAX_FILE_BYTES} bytes",
    ]


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["", "a", "tcp", "vmess", "freedom", "80", "10.0.0.0/8", "full:a", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "tag",
                    "port",
                    "protocol",
                    "settings",
                    "clients",
                    "vnext",
                    "id",
                    "rules",
                    "domain",
                    "ip",
                    "outboundTag",
                    "inboundTag",
                    "bridges",
                    "portals",
                    "mux",
                    "enabled",
                    "streamSettings",
                    "sockopt",
                    "network",
                    "redirect",
                    "portMap",
                    "response",
                    "type",
                    "X",
                    "Tag",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SECTIONS = st.dictionaries(
    st.sampled_from(["log", "inbounds", "outbounds", "routing", "reverse", "dns", "Log"]),
    JUNK | st.lists(JUNK, max_size=3),
    max_size=4,
)


@pytest.mark.fuzz
@given(SECTIONS)
def test_any_json_is_read_or_refused_with_places_inside_the_file(sections: dict[str, object]) -> None:
    text = json.dumps(sections, indent=1)
    lines = text.split("\n")
    for problem in check_text(text, "x.json"):
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1])
        assert "\n" not in problem.render()
