"""What is about passwords, with the passwords' real hashes."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from pytest_django import Settings


class LightArgon2(Argon2PasswordHasher):
    """The same that the panel has, without taking a twentieth of a second on purpose."""

    time_cost, memory_cost, parallelism = 1, 64, 1


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.{LightArgon2.__name__}"]
