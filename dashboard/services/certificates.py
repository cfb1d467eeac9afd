"""Certificates with their keys."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from dashboard.choices import Verb
from dashboard.engine.pem import BadPem, read_pair
from dashboard.models import Certificate
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError

_TEXT_CHARS = 255


@transaction.atomic
def create_certificate(*, name: str, chain_pem: str, key_pem: str = "", note: str = "", by: Actor) -> Certificate:
    """Raises ServiceError, whose path is the field that is meant."""
    certificate = Certificate(name=name, chain_pem=chain_pem, key_pem=key_pem, note=note)
    _read(certificate)
    certificate.save()
    record(by, Verb.CREATED, certificate, note=f"for {certificate.names or certificate.subject}".replace("\n", ", "))
    return certificate


@transaction.atomic
def change_certificate(
    certificate: Certificate,
    *,
    by: Actor,
    name: str | None = None,
    chain_pem: str | None = None,
    key_pem: str | None = None,
    note: str | None = None,
) -> Certificate:
    """Change what is given; the key stays unless another one is. Raises as `create_certificate` does."""
    current = Certificate.objects.select_for_update().get(pk=certificate.pk)
    changed: list[str] = []
    for field, value in (("name", name), ("chain_pem", chain_pem), ("key_pem", key_pem), ("note", note)):
        if value is not None and getattr(current, field) != value:
            setattr(current, field, value)
            changed.append(field)
    if changed:
        _read(current)
        current.save()
        record(by, Verb.CHANGED, current, note=f"{', '.join(changed)} changed")
    return current


@transaction.atomic
def delete_certificate(certificate: Certificate, *, by: Actor) -> None:
    """Documents that hold the certificate itself keep it."""
    record(by, Verb.DELETED, certificate)
    certificate.delete()


def reveal_key(certificate: Certificate, *, by: Actor) -> str:
    """The key, PEM; that it was shown is in the audit log. Who asks has to check that he may."""
    record(by, Verb.REVEALED, certificate)
    return certificate.key_pem


def _read(certificate: Certificate) -> None:
    try:
        facts = read_pair(certificate.chain_pem, certificate.key_pem)
    except BadPem as error:
        raise ServiceError(str(error), error.field) from None
    certificate.subject, certificate.issuer = facts.subject[:_TEXT_CHARS], facts.issuer[:_TEXT_CHARS]
    certificate.names = "\n".join(facts.names)
    certificate.fingerprint_sha256 = facts.fingerprint_sha256
    certificate.not_before, certificate.not_after = facts.not_before, facts.not_after
    try:
        certificate.full_clean(exclude=["chain_pem", "key_pem"])
    except ValidationError as error:
        raise ServiceError("; ".join(error.messages), next(iter(error.message_dict), "")) from None
