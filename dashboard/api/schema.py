"""What the schema says of every operation alike: errors are problems."""

from __future__ import annotations

from typing import Any, Final

from dashboard.api.problems import CONTENT_TYPE

NAME: Final = "Problem"
_TEXT: Final = {"type": "string"}
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What every error looks like (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": "Always about:blank; `code` tells errors apart."},
        "title": _TEXT, "status": {"type": "integer"}, "code": _TEXT, "detail": _TEXT,
        "errors": {"type": "array", "items": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "A field of the request, or a place in the document."},
                "message": _TEXT,
            },
            "required": ["path", "message"],
        }},
    },
    "required": ["type", "title", "status", "code", "detail", "errors"],
}  # fmt: skip
_ANSWER: Final[dict[str, Any]] = {
    "description": "What is wrong, with its place.",
    "content": {CONTENT_TYPE: {"schema": {"$ref": f"#/components/schemas/{NAME}"}}},
}


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook: any operation may answer 4xx with a problem."""
    result["components"]["schemas"][NAME] = PROBLEM
    for methods in result["paths"].values():
        for operation in methods.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].setdefault("4XX", _ANSWER)
    return result
