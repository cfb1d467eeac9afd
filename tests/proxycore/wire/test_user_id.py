"""User ids from text."""

from __future__ import annotations

import pytest

from proxycore.wire.user_id import user_id_from_text

UUID = "5783a3e7-e373-51cd-8642-c83782b807c5"


@pytest.mark.parametrize("text", [UUID, UUID.replace("-", ""), UUID.upper()])
def test_a_uuid_is_read_in_each_of_its_spellings(text: str) -> None:
    assert user_id_from_text(text).hex() == "5783a3e7e37351cd8642c83782b807c5"


def test_a_short_text_stands_for_a_uuid_of_version_5() -> None:
    user_id = user_id_from_text("example")
    assert user_id.hex() == "feb54431301b52bba6dde1e93e81bb9e"
    assert user_id[6] >> 4 == 5


@pytest.mark.parametrize("text", ["", "x" * 31, UUID + "0", UUID.replace("5", "g")])
def test_what_is_neither_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="an id is a UUID or a text of 1 to 30 bytes") as raised:
        user_id_from_text(text)
    assert not text or text not in str(raised.value)
