"""What a document says about TLS. Source: Xray-core infra/conf/transport_security.go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, BeforeValidator, Field, PlainValidator

from proxycore.document.nearest import did_you_mean
from proxycore.document.words import Split, Text
from proxycore.transport.base import TransportSettings

_OLD = ("1.0", "1.1")
_USAGES = ("encipherment", "verify", "verifyclient")
_UNKNOWN = "is known to Xray, not run by this version"


def _version(value: object) -> str:
    if value in ("", *_OLD, "1.2", "1.3"):
        return str(value)
    raise ValueError('one of "1.0", "1.1", "1.2", "1.3" is expected')


def _max_version(value: object) -> str:
    if value in _OLD:
        raise ValueError(f"TLS {value} is broken (RFC 8996) and not run by this version; the least is 1.2")
    return _version(value)


def _usage(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")
    word = value.lower() or "encipherment"
    if word == "issue":
        raise ValueError('making certificates on the fly ("issue") is known to Xray, not run by this version')
    if word not in _USAGES:
        hint = did_you_mean(word, (*_USAGES, "issue"))
        raise ValueError(f'"{value[:40]}" is no usage' + (f"; {hint}" if hint else ""))
    return word


def parse_pins(value: object) -> tuple[bytes, ...]:
    """SHA-256 digests in hexadecimal (`ab:cd` too), separated by commas. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("text is expected: SHA-256 digests in hexadecimal, separated by commas")
    pins = []
    for item in filter(None, (part.strip().replace(":", "") for part in value.split(","))):
        if not re.fullmatch(r"[0-9a-fA-F]{64}", item):
            raise ValueError("a SHA-256 digest has 64 hexadecimal digits")
        pins.append(bytes.fromhex(item))
    return tuple(pins)


def parse_names(value: object) -> tuple[str, ...]:
    """DNS names and IP addresses, in a list or separated by commas. Raises ValueError."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("names, separated by commas, are expected")
    return tuple(filter(None, (item.strip() for item in items)))


class CertificateSettings(TransportSettings):
    """From files, or inline as lists of PEM lines. With usage `verify` it is an authority to trust, and has no key;
    `verifyclient` says the same of an inbound's clients."""

    usage: Annotated[Literal["encipherment", "verify", "verifyclient"], BeforeValidator(_usage)] = "encipherment"
    certificate_file: str = ""
    key_file: str = ""
    certificate: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    one_time_loading: bool = False

    no_effect: ClassVar[Mapping[str, str]] = {
        "ocspStapling": "files are looked at again whenever they change, and no OCSP answers are stapled",
        "buildChain": "the whole chain is sent as it stands in the certificate",
    }


class TlsSettings(TransportSettings):
    """`alpn` empty: what the transport above wants."""

    server_name: str = ""
    alpn: Annotated[list[Text], Split] = Field(default_factory=list)
    certificates: tuple[CertificateSettings, ...] = ()
    reject_unknown_sni: bool = False
    min_version: Annotated[str, PlainValidator(_version)] = ""
    max_version: Annotated[str, PlainValidator(_max_version)] = ""
    cipher_suites: str = ""
    enable_session_resumption: bool = False
    disable_system_root: bool = False
    allow_insecure: bool = False
    pinned_peer_cert_sha256: Annotated[tuple[bytes, ...], PlainValidator(parse_pins)] = Field(
        default=(), validation_alias=AliasChoices("pinnedPeerCertSha256", "pinnedPeerCertificateSha256"))
    verify_peer_cert_by_name: Annotated[tuple[str, ...], PlainValidator(parse_names)] = Field(
        default=(), validation_alias=AliasChoices("verifyPeerCertByName", "verifyPeerCertInNames"))
    verify_client_certificate: bool = False

    no_effect: ClassVar[Mapping[str, str]] = {
        "fingerprint": "this version's handshake always looks like OpenSSL's",
        "curvePreferences": "curves are offered in OpenSSL's order",
        "disableSessionResumption": "sessions are resumed with enableSessionResumption only",
    }
    not_run: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("pinnedPeerCertificateChainSha256", "pinnedPeerCertificatePublicKeySha256", "masterKeyLog",
         "echServerKeys", "echConfigList", "echForceQuery", "echSockopt", "serverNameToVerify"), _UNKNOWN)

    @property
    def keyed(self) -> tuple[CertificateSettings, ...]:
        """The certificates to show, rather than to trust."""
        return tuple(entry for entry in self.certificates if entry.usage == "encipherment")

    @property
    def trusted(self) -> tuple[CertificateSettings, ...]:
        """The authorities."""
        return tuple(entry for entry in self.certificates if entry.usage != "encipherment")
