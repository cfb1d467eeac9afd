"""Whose request it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxycore.errors import AuthError
from proxycore.protocols.vmess.authenticator import Authenticator, VmessCredential
from proxycore.protocols.vmess.header_codec import encode_auth_id
from tests.proxycore.protocols.vmess.vectors import CASES

NOW = 1_795_462_674
ALICE = VmessCredential(b"A" * 16, "alice@example.org", 3)
BOB = VmessCredential(b"B" * 16, "bob@example.org")


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(clock: Clock) -> Authenticator:
    return Authenticator([ALICE, BOB], clock)


def auth_id(credential: VmessCredential, time_s: int = NOW, random: bytes = b"rand") -> bytes:
    return encode_auth_id(credential.command_key, time_s, random)


def test_each_user_is_told_by_the_auth_id(authenticator: Authenticator) -> None:
    assert authenticator.authenticate(auth_id(BOB)) is BOB
    assert authenticator.authenticate(auth_id(ALICE)) is ALICE


def test_the_auth_ids_of_the_vectors_are_their_users(clock: Clock) -> None:
    for case in CASES.values():
        authenticator = Authenticator([ALICE, case.credential], clock)
        assert authenticator.authenticate(case.auth_id) is case.credential


def test_an_unknown_user_is_refused(authenticator: Authenticator) -> None:
    stranger = VmessCredential(b"S" * 16)
    for block in (auth_id(stranger), bytes(16), b"GET / HTTP/1.1\r\n"):
        with pytest.raises(AuthError) as caught:
            authenticator.authenticate(block)
        assert caught.value.reason == "unknown user"


@pytest.mark.parametrize("offset", [-120, -119, 0, 119, 120])
def test_a_clock_within_two_minutes_is_accepted(authenticator: Authenticator, offset: int) -> None:
    assert authenticator.authenticate(auth_id(ALICE, NOW + offset)) is ALICE


@pytest.mark.parametrize(("time_s", "reason"), [
    (NOW - 121, "clock: the client's is -121 s off"),
    (NOW + 121, "clock: the client's is +121 s off"),
    (-5, "clock: a time before 1970"),
    (2**63 - 1, "clock: the client's is +9223372035059312640 s off"),
])
def test_a_clock_further_off_is_refused_by_name(authenticator: Authenticator, time_s: int, reason: str) -> None:
    with pytest.raises(AuthError) as caught:
        authenticator.authenticate(auth_id(ALICE, time_s))
    assert caught.value.reason == reason


def test_an_auth_id_is_taken_once_as_long_as_its_time_could_be_accepted(authenticator: Authenticator, clock: Clock) -> None:
    block = auth_id(ALICE, NOW + 120)
    assert authenticator.authenticate(block) is ALICE
    for age in (0, 1, 120, 121, 239, 240):
        clock.now = NOW + age
        with pytest.raises(AuthError) as caught:
            authenticator.authenticate(block)
        assert caught.value.reason == "replay of a request"
    clock.now = NOW + 241
    with pytest.raises(AuthError, match="clock"):
        authenticator.authenticate(block)


def test_a_session_is_taken_once_in_three_minutes_per_user(authenticator: Authenticator, clock: Clock) -> None:
    header = CASES["tcp-aes-masked"].request
    authenticator.accept_session(ALICE, header)
    authenticator.accept_session(BOB, header)
    authenticator.accept_session(ALICE, replace(header, body_iv=bytes(16)))
    clock.now += 180
    with pytest.raises(AuthError) as caught:
        authenticator.accept_session(ALICE, header)
    assert caught.value.reason == "replay of a session"
    clock.now += 280
    authenticator.accept_session(ALICE, header)


def test_the_repr_of_a_credential_shows_no_secret() -> None:
    assert repr(ALICE) == "VmessCredential(email='alice@example.org', level=3, sends_end_mark=True)"
