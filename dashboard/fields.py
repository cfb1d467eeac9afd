"""Columns that are encrypted at rest."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from dashboard.keys import keyring


class EncryptedTextField(models.TextField):
    """Text of any length, encrypted when it is written and decrypted when it is read.

    `column` is authenticated with the value, so it must never change; an empty text is stored as one. It cannot be
    searched: what has to be found needs a column of its own, perhaps with a keyed hash.
    """

    def __init__(self, *args: Any, column: str = "", **kwargs: Any) -> None:
        self.column_name = column
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        return name, path, list(args), {**kwargs, "column": self.column_name}

    def from_db_value(self, value: str | None, expression: object, connection: BaseDatabaseWrapper) -> str | None:
        return keyring().decrypt(value, self.column_name) if value else value

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return keyring().encrypt(value, self.column_name) if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        raise FieldError(f"{self.name} is encrypted and cannot be searched")
