"""Documents of other people go in and come out the same, through the database.

XREV_COLLECTION names a folder of theirs, a clone of https://github.com/XTLS/Xray-examples, say; docs/compatibility.md has
the counts of those that were tried. Without it there is nothing to try.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from dashboard.services.exporting import export_text
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from proxycore.api import parse
from tests.support.collection import documents, main, survey, wanted_value

FOLDER = os.environ.get("XREV_COLLECTION", "")
NO_COMMENTS = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|#[^\n]*|/\*.*?\*/', re.DOTALL)


def reads_as_json(text: str) -> bool:
    """Whether somebody else would read it: Python's parser, after what a comment is was cut by an expression."""
    try:
        pairs: list[list[str]] = []
        json.loads(NO_COMMENTS.sub(lambda match: match[0] if match[0].startswith('"') else " ", text),
                   object_pairs_hook=lambda found: pairs.append([key for key, _ in found]) or dict(found))
    except ValueError:
        return False
    return all(len(set(keys)) == len(keys) for keys in pairs)


@pytest.mark.timeout(600)
@pytest.mark.skipif(not FOLDER, reason="XREV_COLLECTION names no folder of documents")
@pytest.mark.django_db
def test_documents_of_a_collection_go_in_and_come_out_the_same() -> None:
    folder = Path(FOLDER)
    found = survey(folder)
    assert found.differ == []
    assert found.equal, f"there are no documents in {folder}"
    assert [name for name, _ in found.refused if reads_as_json((folder / name).read_text(errors="replace"))] == []
    node = local_node()
    for number, name in enumerate(found.equal):
        text = (folder / name).read_text(encoding="utf-8")
        instance, _ = import_new(text, name=f"document {number}", node=node, by=None)
        wanted = json.dumps(wanted_value(text)[0])
        for comments in (False, True):
            written = export_text(instance, by=None, masked=False, comments=comments)
            assert json.dumps(parse(written).value) == wanted, name


def test_the_survey_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "good.jsonc").write_text('{"log": {}, // why\n "x": [1.0]}')
    (tmp_path / "plain.json").write_text('{"inbounds": [{"tag": "a", "x": 1e3}]}')
    (tmp_path / "template.json").write_text('{\n "port": {{ port }}}')
    (tmp_path / "notes.md").write_text("{")
    assert len(list(documents(tmp_path))) == 3
    assert main(str(tmp_path)) == 0
    told = capsys.readouterr().out
    assert "not accepted  template.json: line 2, column 11: a key in double quotes" in told
    assert told.endswith("2 equal (1 of them plain JSON), 0 differ, 1 not accepted\n")
