"""Bodies of requests: bounded, and no deeper than can be read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any, Final

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser, JSONParser

MAX_BODY_BYTES: Final = 16 * 1024 * 1024


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"
    default_detail = f"A request has at most {MAX_BODY_BYTES // 1024 // 1024} MiB."


def _read(stream: IO[bytes]) -> bytes:
    data = stream.read(MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise TooLarge
    return data


class Json(JSONParser):
    """JSON of bounded length and depth."""

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            value = super().parse(io.BytesIO(_read(stream)), media_type, parser_context)
            check_text(value)
        except RecursionError:
            raise ParseError("This is nested too deeply.") from None
        return value


class Document(BaseParser):
    """The text of a document as it is, comments and all."""

    media_type = "*/*"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            return _read(stream).decode("utf-8")
        except UnicodeDecodeError:
            raise ParseError("This is not UTF-8.") from None


def check_text(value: Any) -> None:
    """Raises ParseError for half a surrogate pair, which JSON can spell and no text can hold."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ParseError("A text has half a surrogate pair in it (\\ud800 to \\udfff).") from None
    elif isinstance(value, dict):
        for key, one in value.items():
            check_text(key)
            check_text(one)
    elif isinstance(value, list):
        for one in value:
            check_text(one)
