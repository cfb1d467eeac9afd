"""Argon2, by a few at once: each takes 100 MiB while it works, and strangers may try passwords as often as they like."""

from __future__ import annotations

import threading
from typing import Final

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE: Final = 3

_turns: Final = threading.Semaphore(AT_ONCE)


class Argon2InTurn(Argon2PasswordHasher):
    def encode(self, password: str, salt: str) -> str:
        with _turns:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _turns:
            return super().verify(password, encoded)
