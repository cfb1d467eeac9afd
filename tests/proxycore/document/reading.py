"""Shorthand for tests of documents."""

from __future__ import annotations

from proxycore.document.load import DocumentError, load_texts
from proxycore.document.model import Document
from proxycore.document.problems import Problem

ENVIRON = {"PORTAL_PORT": "7000-7002"}
ID = "5783a3e7-e373-51cd-8642-c83782b807c5"


def problems_of(*texts: str) -> list[Problem]:
    """Every problem of the texts, as files a.json, b.json, ..."""
    try:
        return load_texts(_named(texts), environ=ENVIRON).warnings
    except DocumentError as error:
        return error.problems


def lines_of(*texts: str) -> list[str]:
    return [problem.render() for problem in problems_of(*texts)]


def read(*texts: str) -> Document:
    """The document that the texts make together; warnings are fine."""
    return load_texts(_named(texts), environ=ENVIRON).document


def _named(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"{letter}.json", text) for letter, text in zip("abc", texts, strict=False)]
