"""The keys that columns are encrypted with: read from the environment or from a file that the first use makes.

Apart from SECRET_KEY, which signs. The first key encrypts and makes keyed hashes; the others still decrypt, until
`manage.py rotate_keys` has encrypted everything with the first one. A stored value names its key, so a wrong or missing
key is an error that says so, never empty data.

    stored value = "x1:" key-id ":" base64url(12-byte nonce, ciphertext, 16-byte tag)      AES-256-GCM

The column's name is authenticated with the value: what is copied from one column into another does not decrypt.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
PREFIX: Final = "x1:"
_ID_CHARS: Final = 8


class KeyProblem(ImproperlyConfigured):
    """Data cannot be decrypted, or no key may be made: says which key is missing and what to do."""


class Key:
    """One key. `id` is told in stored values: it identifies the key and says nothing about it."""

    __slots__ = ("_cipher", "_hash_key", "id", "text")

    def __init__(self, text: str) -> None:
        """`text` is base64url of 32 bytes. Raises KeyProblem."""
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raw = b""
        if len(raw) != KEY_BYTES:
            raise KeyProblem("an encryption key is not 32 bytes as base64url; `manage.py rotate_keys --print` makes one")
        self.text = text
        self.id = hashlib.sha256(b"xrev key id" + raw).hexdigest()[:_ID_CHARS]
        self._cipher = AESGCM(hmac.digest(raw, b"xrev column encryption", "sha256"))
        self._hash_key = hmac.digest(raw, b"xrev keyed hash", "sha256")

    def encrypt(self, text: str, column: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), column.encode())
        return f"{PREFIX}{self.id}:{base64.urlsafe_b64encode(sealed).decode('ascii')}"

    def decrypt(self, sealed: bytes, column: str) -> str:
        """Raises InvalidTag."""
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], column.encode()).decode()

    def keyed_hash(self, text: str) -> str:
        """64 hex digits: the same for the same text, and of no use to who has not the key."""
        return hmac.digest(self._hash_key, text.encode(), "sha256").hex()


class KeyRing:
    """All keys; the first one encrypts."""

    __slots__ = ("_by_id", "keys", "source")

    def __init__(self, keys: Sequence[Key], source: str) -> None:
        """`source` says in messages where the keys come from."""
        if not keys:
            raise KeyProblem(f"{source} holds no encryption key")
        self.keys = tuple(keys)
        self.source = source
        self._by_id = {key.id: key for key in keys}

    def encrypt(self, text: str, column: str) -> str:
        return self.keys[0].encrypt(text, column)

    def decrypt(self, stored: str, column: str) -> str:
        """Raises KeyProblem: the key is not here, or the value was changed."""
        prefix, _, rest = stored.partition(":")
        key_id, _, sealed = rest.partition(":")
        if prefix + ":" != PREFIX:
            raise KeyProblem(f"a value of {column} is not encrypted in the way this version knows")
        key = self._by_id.get(key_id)
        if key is None:
            raise KeyProblem(
                f"the database is encrypted with the key {key_id}, which is not in {self.source}"
                f" (there: {', '.join(one.id for one in self.keys)}); bring that key back"
            )
        try:
            return key.decrypt(base64.urlsafe_b64decode(sealed), column)
        except (InvalidTag, binascii.Error, UnicodeDecodeError):
            raise KeyProblem(f"a value of {column} was changed after it was encrypted with the key {key_id}") from None

    def is_current(self, stored: str) -> bool:
        """Whether the first key encrypted it."""
        return stored.startswith(f"{PREFIX}{self.keys[0].id}:")

    def keyed_hash(self, text: str) -> str:
        return self.keys[0].keyed_hash(text)

    def keyed_hashes(self, text: str) -> list[str]:
        """By every key, the first one's first: what a row may hold that was written before a rotation."""
        return [key.keyed_hash(text) for key in self.keys]


def new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def read_keys(path: Path) -> KeyRing:
    """The keys of a file, one a line, the first being the one that encrypts. Raises FileNotFoundError, KeyProblem."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return KeyRing([Key(line.strip()) for line in lines if line.strip() and not line.startswith("#")], str(path))


def write_keys(path: Path, texts: Sequence[str], *, replace: bool) -> None:
    """All of the new file or none of it, mode 0600. Without `replace` raises FileExistsError if it is there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write("".join(f"{text}\n" for text in texts))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)            # a key that a power cut takes away takes the data along that it encrypted since
    finally:
        os.close(folder)


def load_or_create(path: Path, may_create: Callable[[], bool]) -> KeyRing:
    """The keys of `path`, which is made if it is not there and `may_create` allows it: if nothing is encrypted yet."""
    try:
        return read_keys(path)
    except FileNotFoundError:
        pass
    if not may_create():
        raise KeyProblem(
            f"{path} is missing, and the database holds data that was encrypted with it; bring the file back from a backup"
        )
    with contextlib.suppress(FileExistsError):          # another process made it at the same time: that one counts
        write_keys(path, [new_key()], replace=False)
    return read_keys(path)


def keyring() -> KeyRing:
    """The keys as they are now: a file that was replaced since is read again, so that a rotation needs no restart.

    Settings: ENCRYPTION_KEYS (a list; else) ENCRYPTION_KEY_FILE.
    """
    from django.conf import settings

    if settings.ENCRYPTION_KEYS:
        return _ring_of_texts(tuple(settings.ENCRYPTION_KEYS))
    path: Path = settings.ENCRYPTION_KEY_FILE          # not taken apart: this is called for every value
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return load_or_create(path, nothing_is_encrypted)
    return _ring_of_file(path, found.st_ino, found.st_mtime_ns)


@lru_cache(maxsize=1)
def _ring_of_texts(texts: tuple[str, ...]) -> KeyRing:
    return KeyRing([Key(text) for text in texts], "XREV_ENCRYPTION_KEYS")


@lru_cache(maxsize=1)
def _ring_of_file(path: Path, inode: int, mtime_ns: int) -> KeyRing:
    return read_keys(path)


def nothing_is_encrypted() -> bool:
    """Whether no table holds an encrypted value yet."""
    from django.apps import apps
    from django.db import connection

    from dashboard.fields import EncryptedTextField

    tables = set(connection.introspection.table_names())
    for model in apps.get_models():
        if model._meta.db_table not in tables:
            continue
        for field in model._meta.concrete_fields:
            if not isinstance(field, EncryptedTextField):
                continue
            table, column = (connection.ops.quote_name(name) for name in (model._meta.db_table, field.column or ""))
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT 1 FROM {table} WHERE {column} <> '' LIMIT 1")
                if cursor.fetchone() is not None:
                    return False
    return True
