"""Traffic that the panel does not have yet, on disk, together with what was last seen of the workers' counters.

Both change in one transaction, so that nothing is counted twice or not at all when the agent is killed. While the panel is
away the oldest buckets are put together, an hour of them at a time; what is too much even then is dropped, and counted.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from proxycore.agent.counters import Counts, Kind, Place
from proxycore.agent.state_dir import FILE_MODE
from proxycore.messages.link import Moved, Traffic

BUCKET_S: Final = 10
MAX_BUCKETS: Final = 8640
"""A day of them."""

MAX_BYTES: Final = 32 * 1024 * 1024
MERGED_AT_ONCE: Final = 360
MAX_MOVED: Final = 20_000
"""Entries of one bucket, which is one message to the panel."""

WINDOW: Final = 8
"""Sent and not kept yet: buckets that were sent are not merged, since the panel may have them."""

_log = logging.getLogger("xrev.agent.spool")

_TABLES: Final = """
    CREATE TABLE IF NOT EXISTS bucket (
        id INTEGER PRIMARY KEY, boot TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, moved TEXT NOT NULL,
        sent INTEGER NOT NULL DEFAULT 0, UNIQUE (boot, seq)
    );
    CREATE TABLE IF NOT EXISTS worker (instance INTEGER PRIMARY KEY, pid INTEGER NOT NULL, since REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS seen (
        instance INTEGER NOT NULL, section TEXT NOT NULL, name TEXT NOT NULL,
        up INTEGER NOT NULL, down INTEGER NOT NULL, opened INTEGER NOT NULL, PRIMARY KEY (instance, section, name)
    ) WITHOUT ROWID;
"""

Worker = tuple[int, float]
"""Process id, and when it started."""


class Spool:
    """Buckets of one agent process, `boot`, and of those before it."""

    def __init__(self, path: Path, boot: str, *, max_buckets: int = MAX_BUCKETS, max_bytes: int = MAX_BYTES) -> None:
        """Raises: OSError, the file cannot be made."""
        self._boot = boot
        self._seq = 0
        self._max_buckets = max_buckets
        self._max_bytes = max_bytes
        self.dropped = 0                # buckets that were lost
        try:
            self._db = _open(path)
        except sqlite3.Error as error:
            _log.error("%s cannot be read (%s): it is put aside, and figures that the panel had not got are lost", path, error)
            path.replace(path.with_name(path.name + ".bad"))
            self._db = _open(path)

    def close(self) -> None:
        self._db.close()

    def seen_of(self, instance: int, worker: Worker) -> dict[Place, Counts] | None:
        """What was last seen of the worker's counters; None where another worker was seen last."""
        row = self._db.execute("SELECT pid, since FROM worker WHERE instance = ?", (instance,)).fetchone()
        if row != worker:
            return None
        rows = self._db.execute("SELECT section, name, up, down, opened FROM seen WHERE instance = ?", (instance,))
        return {(section, name): Counts(up, down, opened) for section, name, up, down, opened in rows}

    def add(
        self, at: int, moved: list[Moved], seen: Mapping[int, tuple[Worker | None, Mapping[Place, Counts | None]]]
    ) -> None:
        """A bucket, and what is new about each instance's worker since the last. Raises: sqlite3.Error, nothing is changed."""
        with self._db:
            for instance, (worker, places) in seen.items():
                if worker is None:
                    self._db.execute("DELETE FROM worker WHERE instance = ?", (instance,))
                else:
                    self._db.execute("INSERT OR REPLACE INTO worker VALUES (?, ?, ?)", (instance, *worker))
                for (section, name), counts in places.items():
                    if counts is None:
                        self._db.execute(
                            "DELETE FROM seen WHERE instance = ? AND section = ? AND name = ?", (instance, section, name))
                    else:
                        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?)",
                                         (instance, section, name, *counts))
            if moved:
                self._insert(at, moved)
        self._keep_within_bounds()

    def forget(self, instance: int) -> None:
        """Its worker's counters are of no more use."""
        with self._db:
            self._db.execute("DELETE FROM worker WHERE instance = ?", (instance,))
            self._db.execute("DELETE FROM seen WHERE instance = ?", (instance,))

    def waiting(self, count: int = WINDOW) -> list[Traffic]:
        """The oldest buckets; they count as sent from now on."""
        rows = self._db.execute("SELECT id, boot, seq, at, moved FROM bucket ORDER BY id LIMIT ?", (count,)).fetchall()
        try:
            with self._db:
                self._db.executemany("UPDATE bucket SET sent = 1 WHERE id = ?", [(row[0],) for row in rows])
        except sqlite3.Error as error:          # what cannot be marked is not sent: it might be merged, and sent again
            _log.error("figures are not sent: %s", error)
            return []
        return [Traffic(boot=boot, seq=seq, at=at, moved=_unpacked(moved)) for _, boot, seq, at, moved in rows]

    def kept(self, boot: str, seq: int) -> None:
        """The panel has it. Where that cannot be written it is sent again, and the panel knows it."""
        try:
            with self._db:
                self._db.execute("DELETE FROM bucket WHERE boot = ? AND seq = ?", (boot, seq))
        except sqlite3.Error as error:
            _log.error("what the panel has cannot be noted: %s", error)

    @property
    def size(self) -> tuple[int, int]:
        """Buckets, and their bytes."""
        count, length = self._db.execute("SELECT count(*), coalesce(sum(length(moved)), 0) FROM bucket").fetchone()
        return int(count), int(length)

    def _insert(self, at: int, moved: list[Moved], ids: Sequence[int] = ()) -> None:
        """As many buckets as it takes; `ids` are free, and in the place of those that they had."""
        for number, begin in enumerate(range(0, len(moved), MAX_MOVED)):
            self._seq += 1
            packed = json.dumps([
                [one.instance, one.kind, one.name, one.up, one.down, one.opened] for one in moved[begin : begin + MAX_MOVED]])
            self._db.execute("INSERT INTO bucket (id, boot, seq, at, moved) VALUES (?, ?, ?, ?, ?)",
                             (ids[number] if ids else None, self._boot, self._seq, at, packed))

    def _keep_within_bounds(self) -> None:
        while True:
            count, length = self.size
            if count <= self._max_buckets and length <= self._max_bytes:
                return
            if not self._merge_oldest():
                with self._db:
                    self._db.execute("DELETE FROM bucket WHERE id = (SELECT min(id) FROM bucket)")
                self.dropped += 1
                _log.warning("the panel is away for so long that the oldest figures are dropped")

    def _merge_oldest(self) -> bool:
        """Put unsent neighbours of one hour together, the oldest first; False where there are none that were not yet."""
        rows = self._db.execute("SELECT id, at FROM bucket WHERE sent = 0 ORDER BY id").fetchall()
        hour_s = BUCKET_S * MERGED_AT_ONCE
        begin = 0
        while begin < len(rows):
            group = [rows[begin]]
            while begin + len(group) < len(rows) and rows[begin + len(group)][1] // hour_s == group[0][1] // hour_s:
                group.append(rows[begin + len(group)])
            if len(group) > 1:
                (first, at), (last, _) = group[0], group[-1]
                span = "FROM bucket WHERE sent = 0 AND id BETWEEN ? AND ?"
                packed = self._db.execute(f"SELECT moved {span} ORDER BY id", (first, last)).fetchall()
                total = _sum([_unpacked(moved) for (moved,) in packed])
                if len(total) <= MAX_MOVED * (len(group) - 1):
                    with self._db:
                        self._db.execute(f"DELETE {span}", (first, last))
                        self._insert(at, total, [id_ for id_, _ in group])
                    return True
            begin += len(group)
        return False


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA journal_size_limit = 1048576")
        db.execute("PRAGMA cache_size = -512")
        db.executescript(_TABLES)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _unpacked(packed: str) -> list[Moved]:
    return [
        Moved(instance=instance, kind=kind, name=name, up=up, down=down, opened=opened)
        for instance, kind, name, up, down, opened in json.loads(packed)
    ]


def _sum(buckets: list[list[Moved]]) -> list[Moved]:
    total: dict[tuple[int, Kind, str], Counts] = {}
    for one in (one for bucket in buckets for one in bucket):
        key = (one.instance, one.kind, one.name)
        before = total.get(key, Counts())
        total[key] = Counts(before.up + one.up, before.down + one.down, before.opened + one.opened)
    return [
        Moved(instance=instance, kind=kind, name=name, up=counts.up, down=counts.down, opened=counts.opened)
        for (instance, kind, name), counts in total.items()
    ]
