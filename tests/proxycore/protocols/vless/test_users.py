"""Whose id it is."""

from __future__ import annotations

from proxycore.protocols.vless.users import Credential, Users
from tests.proxycore.protocols.vless.wires import USER_ID

ALICE = Credential(USER_ID, "alice")
HINTED = USER_ID[:6] + b"\x12\x34" + USER_ID[8:]


def test_bytes_6_and_7_do_not_count() -> None:
    assert Users([ALICE]).find(USER_ID) is ALICE
    assert Users([ALICE]).find(HINTED) is ALICE


def test_every_other_byte_counts() -> None:
    users = Users([ALICE])
    for at in (*range(6), *range(8, 16)):
        other = bytearray(USER_ID)
        other[at] ^= 1
        assert users.find(bytes(other)) is None


def test_of_two_that_do_not_differ_the_later_is_meant() -> None:
    bob = Credential(HINTED, "bob")
    assert Users([ALICE, bob]).find(USER_ID) is bob


def test_an_id_is_not_shown() -> None:
    assert "5783" not in repr(ALICE)
    assert str(USER_ID) not in repr(ALICE)
