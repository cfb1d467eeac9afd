"""What make says and does before it installs anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the Makefile and nothing to install."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "requirements-node.txt").write_text("")
    (tmp_path / "requirements-dev.txt").write_text("")
    (tmp_path / "requirements-postgres.txt").write_text("")
    return tmp_path


def test_help_lists_what_there_is() -> None:
    done = make(ROOT)
    listed = [line.split()[1] for line in done.stdout.splitlines()]
    tests = ["test", "test-postgres", "test-redis"]
    assert listed == ["help", "setup", "demo", "up", *tests, "check", "bench", "pictures", "fuzz", "clean"]


def test_an_old_python_is_one_clear_sentence(clone: Path) -> None:
    old = clone / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make(clone, "setup", f"PYTHON={old}")
    assert done.returncode != 0
    assert done.stderr.startswith(f"No Python 3.11 or newer with the venv module among: {old}. Install one ")
    assert not (clone / ".venv").exists()


def test_what_did_not_change_is_not_done_again(clone: Path) -> None:
    (clone / ".venv").mkdir()
    for stamp in (".python", ".runtime", ".dev"):
        (clone / ".venv" / stamp).touch()
    done = make(clone, "setup")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_step_that_fails_shows_its_output(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / ".python").touch()
    fake = clone / ".venv" / "bin" / "python"
    fake.write_text("#!/bin/sh\necho \"no index reachable\" >&2\nexit 1\n")
    fake.chmod(0o755)
    done = make(clone, "setup")
    assert done.returncode != 0
    assert "packages of requirements.txt" in done.stdout
    assert "failed" in done.stdout
    assert "no index reachable" in done.stderr
    assert not (clone / ".venv" / ".runtime").exists()
