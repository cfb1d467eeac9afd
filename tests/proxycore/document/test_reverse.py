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


def test_how_a_portal_shares_sessions_out_is_read() -> None:
    document = read(
        '{"reverse": {"bridges": [{"tag": "b", "domain": "x", "stallTimeout": 0}], "portals": [{"tag": "p", "domain": "x", '
        '"stallTimeout": 60, "picking": {"policy": "weighted", "weights": {"home": 2, "office": 0.5}, "slowStart": 0}}, '
        '{"tag": "q", "domain": "x"}]}}'
    )
    first, second = document.portals
    assert document.bridges[0].stall_timeout_s == 0
    assert (first.stall_timeout_s, second.stall_timeout_s) == (60, 10)
    assert (first.picking.policy, second.picking.policy) == ("weighted", "leastLoad")
    assert first.picking.weights == {"home": 2, "office": 0.5}
    assert (first.picking.slow_start, first.picking.eject_after, first.picking.eject_for) == (0, 5, 30)


def test_what_cannot_be_of_it_is_refused_where_it_stands() -> None:
    lines = lines_of(
        '{"outbounds": [{"protocol": "block"}], "reverse": {"portals": [{"tag": "p", "domain": "x", "stallTimeout": -1,\n'
        '"picking": {"policy": "primarybackup", "weights": {"home": 0}, "ejectAfter": "5"}}]}}'
    )
    assert [line.partition(": ")[0] for line in lines] == ["a.json:1:108", "a.json:2:23", "a.json:2:60", "a.json:2:78"]
    assert "primaryBackup" in lines[1]
