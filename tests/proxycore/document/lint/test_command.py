"""The command, what it prints for people and programs, what --fix does to files, and the page of codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxycore.api import fix, lint
from proxycore.cli import main
from proxycore.document.lint import CODES, parse_core
from proxycore.document.lint.command import lint_files
from proxycore.document.lint.page import render_page
from tests.proxycore.document.lint.documents import BRIDGE, PORTAL, spoiled

ROOT = Path(__file__).resolve().parents[4]
MISSPELLED = spoiled(BRIDGE, ('"outboundTag": "out"', '"outboundTag": "outt"'))


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_page_of_codes_is_what_the_program_says() -> None:
    assert (ROOT / "docs" / "lint.md").read_text(encoding="utf-8") == render_page()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (BRIDGE, 0),
        (BRIDGE.replace('"routing"', '"Routing"'), 0),
        (BRIDGE.replace('"id"', '"alterId": 4, "id"'), 1),
        (MISSPELLED, 23),
        ("{", 23),
    ],
    ids=["clean", "a note", "a warning", "an error", "not readable"],
)
def test_the_exit_code_says_how_bad_it_is(text: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", written(tmp_path, "a.json", text)]) == code
    assert bool(capsys.readouterr().out) == (text != BRIDGE)


def test_a_file_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "no-such-file.json"]) == 23
    assert capsys.readouterr().out.startswith("no-such-file.json: error XR001 unreadable: cannot be read: No such file")


def test_a_core_that_does_not_exist_is_a_wrong_argument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--for", "xray", written(tmp_path, "a.json", BRIDGE)]) == 2
    assert '"xray" is no core with its version' in capsys.readouterr().err


def test_files_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bridge = written(tmp_path, "bridge.json", BRIDGE)
    portal = written(tmp_path, "portal.json", PORTAL.replace("tunnel.internal", "another.example"))
    assert main(["lint", bridge, portal]) == 23
    assert f"{bridge}:3:58: error XR501 domain-mismatch: reverse.bridges[0].domain: " in capsys.readouterr().out


def test_json_has_every_part_of_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "a.json", MISSPELLED)
    main(["lint", "--format", "json", file])
    assert json.loads(capsys.readouterr().out)["findings"] == [
        {
            "code": "XR102",
            "name": "dangling-outbound-tag",
            "severity": "error",
            "file": file,
            "line": 13,
            "column": 65,
            "path": "routing.rules[1].outboundTag",
            "message": 'there is no outbound or portal "outt"',
            "fix": 'did you mean "out"?',
            "fixable": True,
        }
    ]


def test_sarif_has_what_the_standard_requires(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "a b.json", MISSPELLED)
    main(["lint", "--format", "sarif", file])
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "xrev"
    assert [rule["id"] for rule in driver["rules"]] == list(CODES)
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in driver["rules"])
    assert {rule["defaultConfiguration"]["level"] for rule in driver["rules"]} == {"error", "warning", "note"}
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("XR102", "error")
    assert driver["rules"][result["ruleIndex"]]["id"] == "XR102"
    assert result["message"]["text"]
    (place,) = result["locations"]
    assert place["physicalLocation"]["region"] == {"startLine": 13, "startColumn": 65}
    assert place["physicalLocation"]["artifactLocation"]["uri"] == f"file://{tmp_path}/a%20b.json"


def test_sarif_of_a_file_that_is_not_there_names_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "--format", "sarif", "no-such-file.json"])
    (result,) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert result["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "no-such-file.json"}}}]


def test_fix_changes_the_word_and_not_one_byte_around_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(MISSPELLED.replace("\n", "\r\n").replace("hidden", "h\u00efdden \U0001f600").encode())
    path.chmod(0o640)
    assert main(["lint", "--fix", str(path)]) == 0
    assert path.read_bytes() == BRIDGE.replace("\n", "\r\n").replace("hidden", "h\u00efdden \U0001f600").encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{path}: fixed XR102 dangling-outbound-tag: routing.rules[1].outboundTag: ")


def test_fix_follows_a_link(tmp_path: Path) -> None:
    written(tmp_path, "real.json", MISSPELLED)
    (tmp_path / "link.json").symlink_to("real.json")
    assert main(["lint", "--fix", str(tmp_path / "link.json")]) == 0
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text(encoding="utf-8") == BRIDGE


def test_fix_leaves_alone_what_is_clean_and_what_cannot_be_read(tmp_path: Path) -> None:
    clean, broken = written(tmp_path, "clean.json", BRIDGE), written(tmp_path, "broken.json", "{ oops")
    before = Path(clean).stat()
    assert main(["lint", "--fix", clean, broken]) == 23
    after = Path(clean).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert Path(broken).read_text(encoding="utf-8") == "{ oops"


def test_fix_does_not_take_standard_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--fix", "-"]) == 2
    assert "--fix changes files" in capsys.readouterr().err


def test_the_door_lints_and_fixes() -> None:
    assert [one.code.id for one in lint([("a.json", BRIDGE)], "xray-26.5")] == ["XR902"]
    assert [one.text for one in fix([("a.json", MISSPELLED)])] == [BRIDGE]
    with pytest.raises(ValueError, match="is no core"):
        lint([], "x")


def test_versions_are_compared_by_number() -> None:
    assert parse_core("xray-26.10").is_xray(since="26.4.25")
    assert not parse_core("xray-26.4.17").is_xray(since="26.4.25")
    assert parse_core("v2fly-5").is_v2ray(since="5.0")
    assert not parse_core("v2ray-4.34").is_v2ray(since="5")


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.yaml", "outbounds:\n- {tag: a, protokol: freedom, protocol: freedom}\n", (2, 12)),
        ("a.toml", '[[outbounds]]\ntag = "a"\nprotokol = "freedom"\nprotocol = "freedom"\n', (3, 1)),
    ],
)
def test_other_formats_are_linted_and_never_changed(
    name: str, text: str, place: tuple[int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, name, text)
    assert lint_files([path], core="", form="json", is_fixing=True) == 1
    told = json.loads(capsys.readouterr().out)["findings"]
    (found,) = [one for one in told if one["name"] == "unknown-key"]
    assert (found["line"], found["column"], found["fixable"]) == (*place, False)
    assert Path(path).read_text(encoding="utf-8") == text


def test_fixing_keeps_to_the_format_that_the_name_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '{"outbounds": [{"Tag": "a", "protocol": "freedom"}]}\n'
    flow = written(tmp_path, "flow.yaml", text)
    plain = written(tmp_path, "plain.json", text)
    lint_files([flow, plain], core="", form="text", is_fixing=True)
    assert Path(flow).read_text(encoding="utf-8") == text
    assert Path(plain).read_text(encoding="utf-8") != text
    assert "flow.yaml: fixed" not in capsys.readouterr().err


INBOUNDS = """{
  "inbounds": [{ "tag": "web", "listen": "127.0.0.1", "port": 8080, "protocol": "dokodemo-door", "settings": { "port": 80 } }]
}
"""
OUTBOUNDS = """{
  // the way out
  "Outbounds": [{ "tag": "direct", "protocol": "freedom" }]
}
"""
RULES = """{
  "routing": { "rules": [
    { "type": "field", "inboundTag": ["web"], "outboundTag": "direct" },
    { "type": "field", "inboundTag": ["wob"], "outboundTag": "dirct" }
  ] }
}
"""


def test_the_files_of_a_folder_are_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("1_in.json", INBOUNDS), ("2_out.json", OUTBOUNDS), ("3_rules.json", RULES)):
        written(tmp_path, name, text)
    assert main(["lint", "--confdir", str(tmp_path), "--format", "json"]) == 23
    found = [(Path(one["file"]).name, one["code"], one["line"], one["column"], one["fixable"])
             for one in json.loads(capsys.readouterr().out)["findings"]]
    assert found == [
        ("2_out.json", "XR004", 3, 3, False),
        ("3_rules.json", "XR103", 4, 39, False),
        ("3_rules.json", "XR102", 4, 62, False),
    ]


def test_a_folder_s_later_file_takes_the_place_of_what_it_replaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "a.json", RULES)
    written(tmp_path, "b.json", INBOUNDS)
    written(tmp_path, "c.json", '{"outbounds": [{"tag": "direct", "protocol": "freedom"}], "routing": {"rules": []}}')
    assert main(["lint", "--confdir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_what_cannot_be_read_in_a_folder_is_told_with_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, rules = written(tmp_path, "a.json", "{ oops"), written(tmp_path, "b.json", RULES)
    assert main(["lint", "--confdir", str(tmp_path)]) == 23
    out = capsys.readouterr().out
    assert f"{broken}:1:3: error XR001" in out
    assert rules in out
    assert main(["lint", "--confdir", str(tmp_path / "nothing")]) == 23
    with pytest.raises(SystemExit):
        main(["lint"])
