"""Certificates made for a test: an authority, and certificates that it signed."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, replace
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_BEGIN = datetime.datetime(2020, 1, 1)
_END = datetime.datetime(2099, 1, 1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str
    sha256: str             # of the certificate's DER, in hexadecimal

    @property
    def entry(self) -> dict[str, list[str]]:
        """As an inline entry of `certificates`."""
        return {"certificate": self.certificate.splitlines(), "key": self.key.splitlines()}


class Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.sha256 = self._certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def entry(self) -> dict[str, object]:
        """As an authority to trust."""
        return {"usage": "verify", "certificate": self.pem.splitlines()}

    def chained(self, pair: Pair) -> Pair:
        """`pair` with this authority's certificate shown after its own, whoever signed it."""
        return replace(pair, certificate=pair.certificate + self.pem)

    @property
    def client_entry(self) -> dict[str, object]:
        """As an authority for clients."""
        return self.entry | {"usage": "verifyclient"}

    def issue(self, *names: str) -> Pair:
        """A certificate for DNS names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key.public_key())
        alternatives = [_general_name(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(
            certificate.public_bytes(serialization.Encoding.PEM).decode(),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
            certificate.fingerprint(hashes.SHA256()).hex(),
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        return builder.serial_number(x509.random_serial_number()).not_valid_before(_BEGIN).not_valid_after(_END)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@cache
def authority() -> Authority:
    return Authority()


@cache
def pair(*names: str) -> Pair:
    return authority().issue(*names)
