"""The nested HMAC."""

from __future__ import annotations

from typing import Any

import pytest

from proxycore.errors import UsageError
from proxycore.protocols.vmess import kdf
from tests.proxycore.protocols.vmess.vectors import CASES, VECTORS, Case


def _bytes(entry: dict[str, Any], name: str) -> bytes:
    return entry[f"{name}_utf8"].encode() if f"{name}_utf8" in entry else bytes.fromhex(entry[name])


@pytest.mark.parametrize("name", VECTORS["kdf"])
def test_the_vectors_come_out(name: str) -> None:
    entry = VECTORS["kdf"][name]
    path = [part.encode() for part in entry.get("path_utf8", entry.get("path", []))]
    key = _bytes(entry, "key")
    if "out" in entry:
        assert kdf.kdf(key, *path).hex() == entry["out"]
    if "kdf16" in entry:
        assert kdf.kdf16(key, *path).hex() == entry["kdf16"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_keys_of_every_header_come_out(case: Case) -> None:
    key, header, path = case.credential.command_key, case.raw["header"], (case.auth_id, case.nonce)
    assert kdf.kdf16(key, kdf.AUTH_ID).hex() == case.raw["auth_id"]["aes_key"]
    assert kdf.kdf16(key, kdf.LENGTH_KEY, *path).hex() == header["length_key"]
    assert kdf.kdf12(key, kdf.LENGTH_NONCE, *path).hex() == header["length_nonce"]
    assert kdf.kdf16(key, kdf.HEADER_KEY, *path).hex() == header["payload_key"]
    assert kdf.kdf12(key, kdf.HEADER_NONCE, *path).hex() == header["payload_nonce"]


def test_a_path_element_above_a_block_is_a_bug_of_ours() -> None:
    assert len(kdf.kdf(b"key", b"x" * 64)) == 32
    with pytest.raises(UsageError):
        kdf.kdf(b"key", b"name", b"x" * 65)
