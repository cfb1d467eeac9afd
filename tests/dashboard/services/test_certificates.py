from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.api.authentication import find_token
from dashboard.engine.identity import self_signed
from dashboard.models import AuditEntry, Certificate
from dashboard.services.certificates import change_certificate, create_certificate, delete_certificate, reveal_key
from dashboard.services.errors import ServiceError
from dashboard.services.tokens import create_token, revoke_token

pytestmark = pytest.mark.django_db

MADE_AT = datetime(2026, 1, 2, tzinfo=UTC)
OURS, OTHER = self_signed("edge.example", MADE_AT), self_signed("other.example", MADE_AT)


def made() -> Certificate:
    return create_certificate(name="edge", chain_pem=OURS.certificate_pem, key_pem=OURS.key_pem, by=None)


def test_the_columns_say_what_the_certificate_says() -> None:
    edge = made()
    assert (edge.subject, edge.names, edge.fingerprint_sha256) == ("CN=edge.example", "edge.example", OURS.sha256)
    assert edge.not_before == MADE_AT - timedelta(days=1)
    assert (edge.not_after or MADE_AT).year == 2035
    changed = change_certificate(edge, by=None, chain_pem=OTHER.certificate_pem, key_pem=OTHER.key_pem)
    assert changed.names == "other.example"


@pytest.mark.parametrize(
    ("chain", "key", "field", "words"),
    [
        ("nonsense", "", "chain_pem", "no certificate in PEM form"),
        ("", "", "chain_pem", "no certificate in PEM form"),
        (OURS.key_pem, "", "chain_pem", "no certificate in PEM form"),
        (OURS.certificate_pem, "nonsense", "key_pem", "no private key"),
        (OURS.certificate_pem, OTHER.key_pem, "key_pem", "not the one of the certificate of CN=edge.example"),
        ("-----BEGIN CERTIFICATE-----\n" + "A" * 300_000, "", "chain_pem", "too long"),
    ],
)
def test_what_does_not_go_together_is_refused_at_its_field(chain: str, key: str, field: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as refused:
        create_certificate(name="edge", chain_pem=chain, key_pem=key, by=None)
    assert refused.value.path == field
    assert not Certificate.objects.exists()


def test_a_name_is_taken_once() -> None:
    made()
    with pytest.raises(ServiceError) as refused:
        made()
    assert refused.value.path == "name"


def test_the_key_is_in_no_log() -> None:
    edge = made()
    assert reveal_key(edge, by=None) == OURS.key_pem
    delete_certificate(edge, by=None)
    lines = list(AuditEntry.objects.order_by("id"))
    assert [line.verb for line in lines] == ["created", "revealed a secret"[:8], "deleted"]
    assert not any("PRIVATE" in f"{line.changes}{line.note}" for line in lines)


def test_a_token_works_until_it_is_revoked(olaf: User) -> None:
    token, text = create_token(olaf, by=olaf, name="ci", scope="operate", expires_at=timezone.now() + timedelta(days=1))
    assert find_token(text) == token
    assert text not in f"{token.__dict__}"
    revoke_token(token, by=olaf)
    assert find_token(text) is None


def test_nobody_gives_a_token_more_than_he_may(olaf: User, ada: User) -> None:
    with pytest.raises(ServiceError, match="may not see secrets"):
        create_token(olaf, by=ada, name="ci", may_read_secrets=True)
    with pytest.raises(ServiceError, match="passed already"):
        create_token(olaf, by=olaf, name="ci", expires_at=timezone.now() - timedelta(seconds=1))
    assert create_token(ada, by=ada, name="ci", may_read_secrets=True)[0].may_read_secrets
