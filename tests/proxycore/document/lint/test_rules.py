"""Every code has a bad document that shows it at its exact place, and clean documents show none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxycore.document.jsonc import parse
from proxycore.document.lint import CODES, fix_texts, lint_texts, parse_core
from tests.proxycore.document.lint.cases import CASES
from tests.proxycore.document.lint.documents import CLEAN, Case
from tests.proxycore.document.test_documentation import BRIDGE, PORTAL

ROOT = Path(__file__).resolve().parents[4]
CORES = ("", "xray-24.11.21", "xray-26.7.11", "v2ray-4.34", "v2fly-5")


@pytest.mark.parametrize("case", CASES, ids=[case.code for case in CASES])
def test_the_bad_document_shows_its_code_at_its_place(case: Case) -> None:
    shown = [(one.code.id, one.file, one.line, one.column) for one in case.findings()]
    assert (case.code, *case.places()) in shown, "\n".join(one.render() for one in case.findings())
    assert all(one.message and one.fix for one in case.findings())


@pytest.mark.parametrize("case", [case for case in CASES if case.is_mended], ids=[case.code for case in CASES if case.is_mended])
def test_after_the_fix_there_is_nothing_left_to_say(case: Case) -> None:
    core = parse_core(case.core) if case.core else None
    fixed = fix_texts(case.files(), core)
    assert case.code in {one.code.id for file in fixed for one in file.applied}
    again = lint_texts([(one.file, one.text) for one in fixed], core)
    assert [one.render() for one in again] == []
    for before, after in zip(case.files(), fixed, strict=True):
        assert sorted(re.findall("// .*", before[1])) == sorted(re.findall("// .*", after.text))


def test_every_code_has_a_case_and_every_fixable_one_is_mended() -> None:
    assert {case.code for case in CASES} == set(CODES)
    assert {case.code for case in CASES if case.is_mended} == {code.id for code in CODES.values() if code.is_fixable}


@pytest.mark.parametrize("text", CLEAN.values(), ids=CLEAN)
def test_a_clean_document_shows_nothing(text: str) -> None:
    assert [one.render() for one in lint_texts([("a.json", text)])] == []


def test_the_examples_are_clean_alone_and_side_by_side() -> None:
    texts = [(path.name, path.read_text()) for path in sorted((ROOT / "examples").glob("*.json"))]
    assert len(texts) >= 2
    assert [one.render() for one in lint_texts(texts)] == []
    assert [one.render() for text in texts for one in lint_texts([text])] == []


def test_the_documentation_s_pair_shows_only_that_its_portal_is_the_default() -> None:
    assert [(one.code.id, one.path) for one in lint_texts([("b", BRIDGE), ("p", PORTAL)])] == [("XR403", "reverse.portals[0]")]


def test_a_document_of_a_shape_that_nobody_expects_is_read_all_the_same() -> None:
    for text in ("null", "[]", '"x"', '{"inbounds": {}, "outbounds": [5, null], "routing": [], "reverse": {"bridges": "x"}}'):
        assert lint_texts([("a.json", text)])[0].code.id == "XR706"


_KEY_NAMES = """inbounds outbounds routing rules balancers reverse bridges portals tag domain protocol settings clients users
vnext id
port listen inboundTag outboundTag balancerTag selector strategy type network ip user mux enabled streamSettings security log
observatory address email finalRules action redirect alterId fallbackTag Tag sniffing dns servers"""
_KEYS = st.sampled_from(_KEY_NAMES.split())
_WORDS = st.sampled_from(
    [
        "a",
        "b",
        "bridge",
        "full:a.b",
        "a.b",
        "A.b",
        "freedom",
        "vmess",
        "vless",
        "socks",
        "field",
        "leastPing",
        "none",
        "1-65535",
        "80",
        "regexp:(a+)+$",
        "!10.0.0.0/8",
        "::1",
        "tcp",
        "",
        "env:X",
        "0.0.0.0",
        "\x1b[31m",
        "\u00e9\U0001f600",
    ]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=40,
)
_SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "inbounds": st.lists(st.dictionaries(_KEYS, _VALUES), max_size=3),
        "outbounds": st.lists(st.dictionaries(_KEYS, _VALUES), max_size=3),
        "reverse": st.fixed_dictionaries(
            {
                "bridges": st.lists(st.fixed_dictionaries({"tag": _WORDS, "domain": _WORDS}), max_size=2),
                "portals": st.lists(st.fixed_dictionaries({"tag": _WORDS, "domain": _WORDS}), max_size=2),
            }
        ),
        "routing": st.fixed_dictionaries({"rules": st.lists(st.dictionaries(_KEYS, _VALUES), max_size=4)}) | _VALUES,
        "observatory": _VALUES,
    },
)


@pytest.mark.fuzz
@given(one=_SECTIONS | _VALUES, other=_SECTIONS, core=st.sampled_from(CORES), indent=st.sampled_from([None, 2]))
def test_linting_and_fixing_any_json_never_raises_and_leaves_json(
    one: object, other: object, core: str, indent: int | None
) -> None:
    texts = [("a.json", json.dumps(one, indent=indent)), ("b.json", json.dumps(other, indent=indent))]
    meant = parse_core(core) if core else None
    for finding in lint_texts(texts, meant):
        assert "\n" not in finding.render()
    for fixed in fix_texts(texts, meant):
        parse(fixed.text)


@pytest.mark.fuzz
@given(text=st.text(max_size=60))
def test_linting_any_text_never_raises(text: str) -> None:
    for finding in lint_texts([("a.json", text)]):
        assert finding.code.id in CODES
