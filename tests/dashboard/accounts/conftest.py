"""What is about passwords, with the passwords' real hashes."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick_passwords() -> None:
    """Not here."""
