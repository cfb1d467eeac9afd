"""Which files make a document, what they are written in, and what the environment adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxycore import api
from proxycore.document.files import files_to_read
from proxycore.document.formats import format_of, parse_document
from proxycore.document.jsonc import JsonError
from proxycore.document.load import DocumentError, load_files, load_texts
from tests.proxycore.document.reading import lines_of

YAML = "inbounds:\n- {tag: in, port: 1080, protocol: socks}\noutbounds:\n- {tag: out, protocol: fredom}\n"
TOML = '[[inbounds]]\ntag = "in"\nport = 1080\nprotocol = "socks"\n[[outbounds]]\ntag = "out"\nprotocol = "fredom"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("20.yaml", "10.json", "05.toml", "readme.md", "x.jsonc", ".json", "30.YML"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "40.json").mkdir()
    return tmp_path


def names(folder: Path, *found: str) -> list[str]:
    return [str(folder / name) for name in found]


def test_the_documents_of_a_folder_follow_the_named_files_sorted_by_name(folder: Path) -> None:
    found = names(folder, "05.toml", "10.json", "20.yaml", "30.YML", "x.jsonc")
    assert files_to_read(["z.json", "stdin:"], [str(folder)], {}) == ["z.json", "-", *found]
    assert files_to_read(["z.json"], [], {"XRAY_LOCATION_CONFDIR": str(folder)}) == ["z.json", *found]
    assert files_to_read(["z.json"], [], {"XRAY_LOCATION_CONFDIR": str(folder / "none")}) == ["z.json"]


def test_without_a_name_the_usual_ones_are_looked_for(tmp_path: Path) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    here.mkdir()
    other.mkdir()
    environ = {"XRAY_LOCATION_CONFIG": str(other)}
    assert files_to_read([], [], environ, here) == ["-"]
    (other / "config.json").touch()
    assert files_to_read([], [], environ, here) == names(other, "config.json")
    assert files_to_read([], [], {"v2ray.location.config": str(other)}, here) == names(other, "config.json")
    for name in ("config.yml", "config.yaml", "config.toml", "config.jsonc", "config.json"):
        (here / name).touch()
        assert files_to_read([], [], environ, here) == names(here, name)


def test_a_folder_that_has_nothing_is_a_problem(tmp_path: Path) -> None:
    for folder, message in (
        (tmp_path, "there is no document in this folder (.json, .jsonc, .toml, .yaml, .yml)"),
        (tmp_path / "none", "cannot be read: No such file or directory"),
    ):
        with pytest.raises(DocumentError) as caught:
            files_to_read(["a.json"], [str(folder)], {})
        assert [problem.render() for problem in caught.value.problems] == [f"{folder}: error: {message}"]


def test_a_document_from_the_network_is_refused() -> None:
    with pytest.raises(DocumentError) as caught:
        load_files(["https://example.com/config.json"])
    assert "documents from the network are known to Xray, not run by this version" in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("file", "form"),
    [("a.json", "json"), ("a.JSONC", "json"), ("x/a.yml", "yaml"), ("a.yaml", "yaml"), ("a.toml", "toml"), ("a", None)],
)
def test_the_name_says_the_format(file: str, form: str | None) -> None:
    assert format_of(file) == form


@pytest.mark.parametrize("text", [YAML, TOML, '// c\n{"a": 1}', "# c\n{}"])
def test_a_name_that_says_nothing_is_no_hindrance(text: str) -> None:
    value = parse_document(text, "<stdin>").value
    assert isinstance(value, dict)


@pytest.mark.parametrize("text", ["", "hello", "{", "[1", '"a', "# c\n", "a: [", "- a"])
def test_what_is_no_document_of_any_format_is_told_as_json(text: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_document(text, "<stdin>")
    assert "no YAML" not in str(caught.value)
    assert "no TOML" not in str(caught.value)


@pytest.mark.parametrize(("text", "file", "place"), [(YAML, "a.yaml", "4:24"), (TOML, "a.toml", "7:12")])
def test_a_problem_is_told_with_its_place_in_any_format(text: str, file: str, place: str) -> None:
    (problem,) = api.check_text(text, file)
    message = 'outbounds[0].protocol: "fredom" is no protocol; did you mean "freedom"?'
    assert problem.render().startswith(f"{file}:{place}: error: {message}")


@pytest.mark.parametrize(("text", "file"), [(YAML, "a.yaml"), (TOML, "a.toml")])
def test_files_of_different_formats_are_merged(text: str, file: str) -> None:
    good = text.replace("fredom", "freedom")
    loaded = load_texts([(file, good), ("b.json", '{"outbounds": [{"tag": "b", "protocol": "block"}]}')])
    assert [one.tag for one in loaded.document.outbounds] == ["b", "out"]
    assert loaded.document.inbounds[0].ports == ((1080, 1080),)


def test_variables_of_the_document_count_and_are_merged_key_by_key() -> None:
    first = '{"env": {"A": "1", "P": "1000"}, "inbounds": [{"port": "env:P", "protocol": "socks"}]}'
    second = '{"env": {"P": "2000"}}'
    loaded = load_texts([("a.json", first), ("b.json", second)], environ={"P": "3000"})
    assert loaded.document.inbounds[0].ports == ((2000, 2000),)


def test_what_is_wrong_with_a_variable_is_told_in_its_own_file() -> None:
    assert lines_of('{"env": {"A": 1, "B": ""}}', '{"env": {"": "x",\n"C=": "y", "D": null}}') == [
        "a.json:1:15: error: env.A: text is expected; put numbers in quotes",
        'b.json:1:10: error: env[""]: this is no name of an environment variable',
        'b.json:2:1: error: env.C=: this is no name of an environment variable',
        "b.json:2:17: error: env.D: text is expected; put numbers in quotes",
    ]
    assert lines_of('{"env": []}') == ["a.json:1:9: error: env: an object of names and texts is expected"]
    assert lines_of('{"env": null}') == []
