"""User ids from text, and the key that follows from one."""

from __future__ import annotations

import pytest

from proxycore.protocols.vmess.ids import command_key, user_id_from_text
from tests.proxycore.protocols.vmess.vectors import VECTORS

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"


def test_the_command_key_comes_out() -> None:
    entry = VECTORS["primitives"]["cmd_key"]
    assert command_key(bytes.fromhex(entry["uuid_bytes"])).hex() == entry["cmd_key"] == "df8acd09f5f81999f8b6d61861f20c71"


@pytest.mark.parametrize("text", [
    UUID, UUID.upper(), UUID.replace("-", ""), "5783a3e7e373-51cd-8642c83782b807c5", "我爱🍉老师1314"])
def test_one_id_can_be_written_in_many_ways(text: str) -> None:
    assert user_id_from_text(text) == bytes.fromhex("5783a3e7e37351cd8642c83782b807c5")


@pytest.mark.parametrize("entry", VECTORS["primitives"]["uuid_from_text"], ids=lambda entry: str(entry["text"]))
def test_a_free_text_stands_for_an_id(entry: dict[str, str]) -> None:
    assert user_id_from_text(entry["text"]).hex() == entry["uuid"]


@pytest.mark.parametrize("text", ["x", "f" * 30, "é" * 15])
def test_a_free_text_of_up_to_thirty_bytes_is_an_id_of_version_five(text: str) -> None:
    user_id = user_id_from_text(text)
    assert (user_id[6] >> 4, user_id[8] >> 6) == (5, 2)


@pytest.mark.parametrize("text", [
    pytest.param("", id="empty"),
    pytest.param("a" * 31, id="31 characters"),
    pytest.param("é" * 16, id="32 bytes, not hex"),
    pytest.param(UUID + "0", id="37 characters"),
    pytest.param("g" + UUID[1:], id="not hex"),
    pytest.param("5783a3e7e-373-51cd-8642-c83782b807c5", id="hyphen at the wrong place"),
    pytest.param("-" + UUID.replace("-", ""), id="hyphen in front"),
    pytest.param("\u0665" * 16, id="digits that are not ASCII"),
])
def test_any_other_text_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="an id is a UUID or a text of 1 to 30 bytes") as caught:
        user_id_from_text(text)
    assert not text or text not in str(caught.value)
