"""The last good documents, on disk: what each instance runs, and what it is trying.

    documents/12.json               the Record of instance 12
    documents/12-<sha256>.json      a document that the record names, as the panel sent it
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from proxycore.agent.state_dir import write_whole
from proxycore.messages.worker import Limit, PausedTunnel

_log = logging.getLogger("xrev.agent.documents")

_RECORD_NAME: Final = re.compile(r"\d+\.json")


class Kept(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Revision(Kept):
    """A document of an instance, and all that goes with it; its text is a file of its own."""

    revision: int
    document_sha256: str
    name: str
    limits: list[Limit] = []
    paused: list[PausedTunnel] = []
    memory_bytes: int = 0
    descriptors: int = 0
    has_run: bool = False           # one that never did is nothing to come back to


class Trial(Kept):
    """How the newest revision is to prove itself. `tunnels`: [kind, tag] of those that were up before."""

    is_begun: bool = True       # False: the worker was given the revision, and has not said that it runs
    since: float                # Unix seconds, when it was applied
    until: float
    needs_confirm: bool = False
    is_confirmed: bool = False
    tunnels: list[tuple[str, str]] = []


class TurnedBack(Kept):
    """A revision that did not stand: it is not tried again, and whoever asks for it is told why."""

    revision: int
    document_sha256: str
    reason: str


class Record(Kept):
    """What an instance runs. `pending`: the newest, while it is applied or on trial; `good` is what comes back."""

    instance: int
    good: Revision | None = None
    pending: Revision | None = None
    trial: Trial | None = None
    turned_back: TurnedBack | None = None

    @property
    def current(self) -> Revision | None:
        return self.pending or self.good


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Documents:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> list[Record]:
        """All that was kept. What cannot be read is put aside and told."""
        records = []
        for path in sorted(self._folder.iterdir()):
            if not _RECORD_NAME.fullmatch(path.name):
                continue
            try:
                record = Record.model_validate_json(path.read_bytes())
                if path.name != f"{record.instance}.json":
                    raise ValueError("it is of another instance")
            except (OSError, ValidationError, ValueError) as error:
                _log.error("%s cannot be read, and is put aside: %s", path, str(error).splitlines()[0])
                path.replace(path.with_name(path.name + ".bad"))
                continue
            records.append(record)
        return records

    def save(self, record: Record) -> None:
        """Raises: OSError."""
        write_whole(self._folder / f"{record.instance}.json", record.model_dump_json().encode())
        named = {revision.document_sha256 for revision in (record.good, record.pending) if revision is not None}
        for path in self._texts(record.instance):
            if path.stem.partition("-")[2] not in named:
                path.unlink(missing_ok=True)

    def write_text(self, instance: int, sha256: str, text: str) -> None:
        """To be followed by `save` of a record that names it. Raises: OSError."""
        write_whole(self._path(instance, sha256), text.encode())

    def read_text(self, instance: int, sha256: str) -> str | None:
        """None where it is not here, or is not what it was."""
        try:
            data = self._path(instance, sha256).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            _log.error("the document %s has changed on disk, and is not used", self._path(instance, sha256))
            return None
        return data.decode()

    def remove(self, instance: int) -> None:
        (self._folder / f"{instance}.json").unlink(missing_ok=True)
        for path in self._texts(instance):
            path.unlink(missing_ok=True)

    def _texts(self, instance: int) -> list[Path]:
        return list(self._folder.glob(f"{instance}-*.json"))

    def _path(self, instance: int, sha256: str) -> Path:
        return self._folder / f"{instance}-{sha256}.json"
