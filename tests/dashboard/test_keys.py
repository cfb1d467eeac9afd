from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.keys import Key, KeyProblem, KeyRing, load_or_create, new_key, read_keys, write_keys


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing([Key(new_key()), Key(new_key())], "here")


def test_the_first_key_encrypts_and_all_of_them_decrypt(ring: KeyRing) -> None:
    old = ring.keys[1].encrypt("secret", "table.column")
    new = ring.encrypt("secret", "table.column")
    assert new.startswith(f"x1:{ring.keys[0].id}:")
    assert [ring.decrypt(one, "table.column") for one in (old, new)] == ["secret", "secret"]
    assert [ring.is_current(one) for one in (old, new)] == [False, True]


def test_a_missing_key_and_a_changed_value_are_errors_that_say_so(ring: KeyRing) -> None:
    stored = Key(new_key()).encrypt("secret", "table.column")
    with pytest.raises(KeyProblem, match=r"with the key [0-9a-f]{8}, which is not in here \(there: .*\); bring that key"):
        ring.decrypt(stored, "table.column")
    own = ring.encrypt("secret", "table.column")
    with pytest.raises(KeyProblem, match="was changed after it was encrypted"):
        ring.decrypt(own[:-2] + ("AA" if own[-2:] != "AA" else "BB"), "table.column")
    with pytest.raises(KeyProblem, match="was changed after it was encrypted"):
        ring.decrypt(own, "another.column")
    with pytest.raises(KeyProblem, match="not encrypted in the way"):
        ring.decrypt("secret", "table.column")


def test_a_file_is_made_once_and_only_where_nothing_is_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "var" / "encryption.key"
    with pytest.raises(KeyProblem, match=r"encryption\.key is missing, .* bring the file back from a backup"):
        load_or_create(path, lambda: False)
    made = load_or_create(path, lambda: True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create(path, lambda: False).keys[0].id == made.keys[0].id


@pytest.mark.parametrize("text", ["", "short", "ü" * 43, "A" * 40])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "encryption.key"
    path.write_bytes(text.encode())
    with pytest.raises(KeyProblem):
        read_keys(path)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "encryption.key"
    first, second = new_key(), new_key()
    write_keys(path, [first], replace=False)
    with pytest.raises(FileExistsError):
        write_keys(path, [second], replace=False)
    write_keys(path, [second, first], replace=True)
    assert [key.text for key in read_keys(path).keys] == [second, first]
    assert [file.name for file in tmp_path.iterdir()] == ["encryption.key"]
