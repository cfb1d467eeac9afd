"""The `log` section."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, PlainValidator

from proxycore.document.shape import Shape
from proxycore.document.words import one_of

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "none"]
_LEVELS: dict[str, LogLevel] = {
    "debug": "debug", "info": "info", "warning": "warning", "error": "error", "none": "none", "": "warning",
}


def _mask(value: str) -> str:
    if value not in ("", "quarter", "half", "full"):
        raise ValueError("one of quarter, half, full is expected")
    return value


class Log(Shape):
    """Where to log. That a document has this section, even `{}`, switches the access log on; without it there is none."""

    access: str = ""                    # a path; "" is the console; "none"
    error: str = ""                     # the same
    loglevel: Annotated[LogLevel, PlainValidator(one_of(_LEVELS))] = "warning"
    dns_log: bool = False
    mask_address: Annotated[str, AfterValidator(_mask)] = ""
