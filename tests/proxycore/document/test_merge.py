"""Several files as one document."""

from __future__ import annotations

from proxycore.document.load import load_texts
from tests.proxycore.document.reading import lines_of, read


def outbounds(*tags: str) -> str:
    return '{{"outbounds": [{}]}}'.format(",\n".join(f'{{"tag": "{tag}", "protocol": "freedom"}}' for tag in tags))


def inbound(tag: str, port: int) -> str:
    return f'{{"inbounds": [{{"tag": "{tag}", "port": {port}, "protocol": "tunnel"}}]}}'


def test_new_outbounds_come_in_front_in_their_own_order_and_known_ones_stay_in_place() -> None:
    document = read(outbounds("a", "b"), outbounds("c", "b", "d"))
    assert [outbound.tag for outbound in document.outbounds] == ["c", "d", "a", "b"]


def test_outbounds_of_a_file_with_tail_in_its_name_come_last() -> None:
    loaded = load_texts([("a.json", outbounds("a")), ("dir/10-Tail.json", outbounds("b"))])
    assert [outbound.tag for outbound in loaded.document.outbounds] == ["a", "b"]


def test_inbounds_are_appended_or_replaced_in_place() -> None:
    document = read(inbound("a", 1), inbound("b", 2), inbound("a", 3))
    assert [(one.path, one.tag, one.ports) for one in document.inbounds] == [
        ("inbounds[0]", "a", ((3, 3),)),
        ("inbounds[1]", "b", ((2, 2),)),
    ]


def test_an_untagged_entry_replaces_the_first_untagged_one() -> None:
    document = read(inbound("", 1), inbound("", 2))
    assert [one.ports for one in document.inbounds] == [((2, 2),)]


def test_other_sections_are_replaced_whole() -> None:
    document = read('{"log": {"loglevel": "debug", "access": "none"}}', '{"Log": {"error": "x"}}')
    assert (document.log.loglevel, document.log.access, document.log.error) == ("warning", "", "x")


def test_each_problem_is_told_with_its_own_file_and_the_place_in_it() -> None:
    first = '{"outbounds": [{"tag": "a", "protocol": "fredom"}], "geodata": {"x": 1}}'
    second = '{\n"outbounds": [{"tag": "b", "protocol": "freedom",\n"settings": {"redirect": 5}}]}'
    assert [line.split(": error: ")[0:2] for line in lines_of(first, second) if "redirect" in line] == [
        ["b.json:3:26", "outbounds[0].settings.redirect: text is expected, not a number"]
    ]
    assert [line.split(" ")[0:3] for line in lines_of(first, second)] == [
        ["a.json:1:41:", "error:", "outbounds[0].protocol:"],
        ["a.json:1:53:", "error:", "geodata:"],
        ["b.json:3:26:", "error:", "outbounds[0].settings.redirect:"],
    ]


def test_a_place_of_the_merged_document_is_found_in_its_file() -> None:
    loaded = load_texts([("a.json", inbound("a", 1)), ("b.json", "\n" + inbound("b", 2))])
    assert loaded.problem_at("inbounds[1].port", "taken").render() == "b.json:2:36: error: inbounds[0].port: taken"


def test_syntax_errors_of_all_files_are_told() -> None:
    assert [line[:10] for line in lines_of("{", "[1", "{}")] == ["a.json:1:2", "b.json:1:3"]
