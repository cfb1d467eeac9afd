"""Who the other side of a TLS connection is, where a document says more than "whom an authority vouches for": pinned
certificates, and other names than the one that was asked for.

Imported where a document has such settings only: cryptography's x509 takes long to import.
Source: Xray-core transport/internet/tls/config.go (verifyPeerCert).
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from proxycore.errors import AuthError
from proxycore.transport.tls_certificates import fits

MAX_CHAIN = 16
"""Certificates of one peer that are looked at."""

_UNREADABLE = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What the library raises for certificates that are none; OpenSSL takes some of them."""

_NOT_PINNED = "the server's certificate is not the pinned one"


def chain_of(tls: ssl.SSLObject) -> list[bytes]:
    """What the other side has shown, in DER, its own first."""
    if hasattr(tls, "get_unverified_chain"):        # Python 3.13
        return [bytes(one) for one in tls.get_unverified_chain()][:MAX_CHAIN]
    chain: Any = tls._sslobj.get_unverified_chain()     # type: ignore[attr-defined]
    return [one.public_bytes(2) for one in chain or ()][:MAX_CHAIN]     # 2: DER


class PeerCheck:
    """`pins`: SHA-256 digests of certificates. That of the server's own stands for every other check; that of an authority
    in its chain makes this the only authority. `names`: the certificate has to be for one of them, rather than for the name
    that was asked for.
    """

    def __init__(self, pins: Sequence[bytes], names: Sequence[str]) -> None:
        self._pins = pins
        self._names = names

    def check(self, chain: Sequence[bytes], server_name: str, now: datetime.datetime) -> None:
        """Without pins an authority has vouched for the chain already, for whatever name. Raises: AuthError."""
        if not chain:
            raise AuthError("the server has shown no certificate")
        names = self._names or (server_name,)
        if not self._pins:
            if not any(is_for(chain[0], name) for name in names):
                raise AuthError("the server's certificate is for none of the names")
            return
        if self._is_pinned(chain[0]):
            return
        authority = next((one for one in chain[1:] if self._is_pinned(one)), None)
        if authority is None:
            raise AuthError(_NOT_PINNED)
        if not any(vouches_for(authority, chain, name, now) for name in names):
            raise AuthError("the pinned authority does not vouch for the server")

    def _is_pinned(self, certificate: bytes) -> bool:
        digest = hashlib.sha256(certificate).digest()
        return any(hmac.compare_digest(digest, pin) for pin in self._pins)


def is_for(certificate: bytes, name: str) -> bool:
    """Whether a certificate (DER) is for this DNS name or IP address."""
    try:
        alternatives = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName).value
    except (*_UNREADABLE, x509.ExtensionNotFound):
        return False
    try:
        return ip_address(name) in alternatives.get_values_for_type(x509.IPAddress)
    except ValueError:
        return fits(frozenset(one.lower() for one in alternatives.get_values_for_type(x509.DNSName)), name.lower())


def vouches_for(authority: bytes, chain: Sequence[bytes], name: str, now: datetime.datetime) -> bool:
    """Whether the chain leads from `authority` to a server's certificate for `name`, and all of it is valid `now`."""
    try:
        root = x509.load_der_x509_certificate(authority)
        leaf, *others = (x509.load_der_x509_certificate(one) for one in chain)
        verifier = (
            PolicyBuilder().store(Store([root])).time(now)
            .extension_policies(ca_policy=_authorities(), ee_policy=_servers())
            .build_server_verifier(_subject(name)))
        verifier.verify(leaf, others)
    except (*_UNREADABLE, VerificationError):
        return False
    return True


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


# What the library asks of the public web's certificates (key identifiers, say) few private authorities give.

def _authorities() -> ExtensionPolicy:
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign))


def _servers() -> ExtensionPolicy:
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _may_serve))


def _is_authority(_policy: object, _certificate: x509.Certificate, value: x509.BasicConstraints) -> None:
    if not value.ca:
        raise ValueError("not an authority")


def _may_sign(_policy: object, _certificate: x509.Certificate, value: x509.KeyUsage | None) -> None:
    if value is not None and not value.key_cert_sign:
        raise ValueError("an authority that may not sign")


def _may_serve(_policy: object, _certificate: x509.Certificate, value: x509.ExtendedKeyUsage | None) -> None:
    allowed = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if value is not None and not any(usage in value for usage in allowed):
        raise ValueError("not a server's certificate")

