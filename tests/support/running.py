"""A document that runs within the test's own loop, so that the test can look at its counters and turn its wheel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxycore.document.load import load_document
from proxycore.document.model import LoadedDocument
from proxycore.instance import Instance
from tests.support.documents import Json


def loaded(document: Json) -> LoadedDocument:
    return load_document(json.dumps(document), "document.json")


@asynccontextmanager
async def running(document: Json) -> AsyncIterator[Instance]:
    instance = Instance(loaded(document), asyncio.get_running_loop())
    await instance.start()
    try:
        yield instance
    finally:
        instance.stop()


async def pass_time(instance: Instance, seconds: float) -> None:
    """What waits for a deadline sees `seconds` pass."""
    for _ in range(int(seconds)):
        instance._ground.wheel.turn()
    await asyncio.sleep(0)
