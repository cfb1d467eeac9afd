"""What a certificate says of itself, and whether a key is its own."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

MAX_PEM_CHARS: Final = 256 * 1024
_NAMES_SHOWN: Final = 1000


class BadPem(ValueError):
    """`field` is "chain_pem" or "key_pem"."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Of the first certificate of a chain. `names` are the DNS names and addresses that it is for."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    fingerprint_sha256: str
    not_before: datetime.datetime
    not_after: datetime.datetime


def read_pair(chain_pem: str, key_pem: str) -> CertificateFacts:
    """`key_pem` may be empty. Raises BadPem: one is not PEM, the key is encrypted, or it is of another certificate."""
    if len(chain_pem) > MAX_PEM_CHARS or len(key_pem) > MAX_PEM_CHARS:
        raise BadPem("chain_pem" if len(chain_pem) > MAX_PEM_CHARS else "key_pem", "This is too long for PEM.")
    try:
        first = x509.load_pem_x509_certificates(chain_pem.encode())[0]
        facts = _facts(first)
    except ValueError:
        raise BadPem("chain_pem", "This is no certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----.") from None
    if key_pem:
        try:
            key = load_pem_private_key(key_pem.encode(), None)
        except TypeError:
            raise BadPem("key_pem", "This key is encrypted: remove its passphrase first.") from None
        except (ValueError, UnsupportedAlgorithm):
            raise BadPem("key_pem", "This is no private key in PEM form.") from None
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if key.public_key().public_bytes(*form) != first.public_key().public_bytes(*form):
            raise BadPem("key_pem", f"This key is not the one of the certificate of {facts.subject or 'the chain'}.")
    return facts


def _facts(certificate: x509.Certificate) -> CertificateFacts:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
    except x509.ExtensionNotFound:
        listed = ()
    return CertificateFacts(
        certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string(), tuple(listed[:_NAMES_SHOWN]),
        certificate.fingerprint(hashes.SHA256()).hex(), certificate.not_valid_before_utc, certificate.not_valid_after_utc)
