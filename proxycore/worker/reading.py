"""A document's text becomes what can be run. Reading takes its time, so it is done in a thread, which lets the loop go first."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Final

from proxycore.document.load import load_document
from proxycore.document.model import LoadedDocument
from proxycore.document.problems import Problem
from proxycore.messages.worker import Complaint

SWITCH_S: Final = 0.0005
"""How long a reader may hold the interpreter while the loop wants it; the usual 5 ms would be felt in every turn."""

MAX_COMPLAINTS: Final = 100
MAX_TEXT_CHARS: Final = 2000
MAX_PATH_CHARS: Final = 1024


async def read(text: str, name: str) -> LoadedDocument:
    """Raises: DocumentError."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, SWITCH_S))
    try:
        return await asyncio.to_thread(_read, text, name)
    finally:
        sys.setswitchinterval(usual)


def _read(text: str, name: str) -> LoadedDocument:
    """An access log on the console would go where only a crash is looked for: there is none."""
    loaded = load_document(text, name)
    for inbound in loaded.document.inbounds:
        inbound.settings.prepare()
    log = loaded.document.log
    if log.access == "":
        loaded = replace(loaded, document=replace(loaded.document, log=log.model_copy(update={"access": "none"})))
    return loaded


def complaint(problem: Problem) -> Complaint:
    """As messages have it: the agent knows which document it is."""
    text = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    return Complaint(
        text=text[:MAX_TEXT_CHARS], path=problem.path[:MAX_PATH_CHARS], line=problem.line, column=problem.column)


def words(text: str) -> Complaint:
    """One that is about no place in the document."""
    return Complaint(text=text[:MAX_TEXT_CHARS], path="")


def complaints(problems: list[Problem]) -> list[Complaint]:
    """Of the errors among them."""
    return [complaint(one) for one in problems if one.severity == "error"][:MAX_COMPLAINTS]
