from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from proxycore.agent.documents import Documents, Record, Revision, Trial, digest
from proxycore.messages.worker import Limit

TEXT, OTHER = '{"outbounds": []}', '{"outbounds": [], "log": {}}'


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    return Documents(tmp_path)


def revision(number: int, text: str) -> Revision:
    return Revision(revision=number, document_sha256=digest(text), name="home", limits=[Limit(path="a", bytes_left=5)])


def test_what_was_kept_is_what_is_loaded(documents: Documents) -> None:
    trial = Trial(since=1.5, until=9.0, tunnels=[("portal", "home")])
    record = Record(instance=12, good=revision(1, TEXT), pending=revision(2, OTHER), trial=trial)
    for text in (TEXT, OTHER):
        documents.write_text(12, digest(text), text)
    documents.save(record)
    assert documents.load() == [record]
    assert documents.read_text(12, digest(OTHER)) == OTHER


def test_texts_that_no_record_names_are_removed(documents: Documents, tmp_path: Path) -> None:
    for instance, text in ((1, TEXT), (1, OTHER), (12, OTHER)):
        documents.write_text(instance, digest(text), text)
    documents.save(Record(instance=1, good=revision(1, TEXT)))
    assert documents.read_text(1, digest(OTHER)) is None
    assert documents.read_text(1, digest(TEXT)) == TEXT
    assert documents.read_text(12, digest(OTHER)) == OTHER
    documents.remove(1)
    assert [path.name for path in tmp_path.iterdir()] == [f"12-{digest(OTHER)}.json"]


def test_a_text_that_was_changed_on_disk_is_not_used(documents: Documents, tmp_path: Path) -> None:
    documents.write_text(1, digest(TEXT), TEXT)
    (tmp_path / f"1-{digest(TEXT)}.json").write_text(OTHER)
    assert documents.read_text(1, digest(TEXT)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"instance": "x"}', '{"instance": 2}'])
def test_a_record_that_cannot_be_read_is_put_aside_and_the_others_are_loaded(
    documents: Documents, tmp_path: Path, text: str
) -> None:
    documents.save(Record(instance=3, good=revision(1, TEXT)))
    (tmp_path / "1.json").write_text(text)
    assert [record.instance for record in documents.load()] == [3]
    assert (tmp_path / "1.json.bad").read_text() == text


def test_a_full_disk_leaves_the_old_file(documents: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.save(Record(instance=1, good=revision(1, TEXT)))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            documents.save(Record(instance=1, good=revision(2, TEXT)))
    (record,) = documents.load()
    assert record.good is not None
    assert record.good.revision == 1
    assert [path.name for path in tmp_path.iterdir()] == ["1.json"]


def test_nobody_else_may_read_them(documents: Documents, tmp_path: Path) -> None:
    documents.write_text(1, digest(TEXT), TEXT)
    documents.save(Record(instance=1, good=revision(1, TEXT)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
