"""The `reverse` section."""

from __future__ import annotations

from tests.proxycore.document.reading import lines_of, read


def test_bridges_and_portals_are_read() -> None:
    document = read(
        '{"reverse": {"bridges": [{"tag": "b", "domain": "B.x"}], "portals": [{"tag": "p", "domain": "x"}, '
        '{"tag": "q", "domain": "x", "dialect": "reverse.internal.v2fly.org"}]}}'
    )
    assert [(one.path, one.tag, one.domain) for one in document.bridges] == [("reverse.bridges[0]", "b", "B.x")]
    assert [(one.path, one.tag, one.dialect) for one in document.portals] == [
        ("reverse.portals[0]", "p", "auto"),
        ("reverse.portals[1]", "q", "reverse.internal.v2fly.org"),
    ]


def test_tag_and_domain_are_required_and_not_empty() -> None:
    text = '{"reverse": {"bridges": [{"tag": ""}],\n "portals": [{"domain": "", "tag": 5}, 7]}}'
    assert lines_of(text) == [
        "a.json:1:26: error: reverse.bridges[0].domain: is required",
        "a.json:1:34: error: reverse.bridges[0].tag: must not be empty",
        "a.json:2:25: error: reverse.portals[0].domain: must not be empty",
        "a.json:2:36: error: reverse.portals[0].tag: text is expected, not a number",
        "a.json:2:40: error: reverse.portals[1]: an object is expected, not a number",
    ]


def test_an_unknown_dialect_is_refused_with_the_nearest_one() -> None:
    (line,) = lines_of(
        '{"outbounds": [{"protocol": "block"}], "reverse": {"portals": [{"tag": "p", "domain": "x", "dialect": "revers"}]}}'
    )
    assert line.startswith("a.json:1:103: error: reverse.portals[0].dialect: ")
    assert line.endswith('(did you mean "reverse"?)')
