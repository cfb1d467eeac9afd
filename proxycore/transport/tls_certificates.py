"""Certificates and keys for the ssl module, read again when their files change."""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from proxycore.errors import ConfigError
from proxycore.transport.tls_settings import CertificateSettings

RECHECK_S = 1.0
"""Files are looked at no more often, and only when somebody connects."""

_log = logging.getLogger("xrev.tls")
Stamp = tuple[tuple[int, int, int], ...]


class ServerCertificate:
    """One entry of `certificates` as a ready SSLContext. `names`: those it is valid for, in lower case."""

    __slots__ = ("_make_context", "_next_check_s", "_path", "_settings", "_stamp", "context", "names")

    def __init__(self, settings: CertificateSettings, path: str, make_context: Callable[[], ssl.SSLContext]) -> None:
        """Raises: ConfigError."""
        self._settings = settings
        self._path = path
        self._make_context = make_context
        self._next_check_s = 0.0
        self._stamp = self._look()
        self.context, self.names = self._load()

    def refresh(self, now_s: float) -> None:
        """Load the files again if they changed. Files that are wrong are told in the log, and the old ones stay in use."""
        if now_s < self._next_check_s or self._settings.one_time_loading:
            return
        self._next_check_s = now_s + RECHECK_S
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.context, self.names = self._load()
        except ConfigError as error:
            _log.error("the changed certificate is not used: %s", error)
        else:
            _log.info("%s: the certificate was read again", self._path)

    def _look(self) -> Stamp:
        """Size and times of the files; empty where they cannot be looked at, or there are none."""
        files = [name for name in (self._settings.certificate_file, self._settings.key_file) if name]
        try:
            found = [os.stat(name) for name in files]
        except OSError:
            return ()
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _load(self) -> tuple[ssl.SSLContext, frozenset[str]]:
        chain, key = read_pair(self._settings, self._path)
        context = self._make_context()
        load_pair(context, chain, key, self._path)
        return context, names_of(chain, self._path)


def read_pair(settings: CertificateSettings, path: str) -> tuple[bytes, bytes]:
    """The certificate (chain) and key as PEM; the key is empty where none is given. Raises: ConfigError."""
    chain = _text(settings.certificate, settings.certificate_file, f"{path}.certificateFile")
    if not chain:
        raise ConfigError(path, 'a certificate is needed, "certificateFile" or "certificate"')
    return chain, _text(settings.key, settings.key_file, f"{path}.keyFile")


def _text(lines: tuple[str, ...], file: str, path: str) -> bytes:
    if not file:
        return "\n".join(lines).encode()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(path, f"{file} cannot be read: {error.strerror or error}") from None


def load_pair(context: ssl.SSLContext, chain: bytes, key: bytes, path: str) -> None:
    """Raises: ConfigError."""
    if not key:
        raise ConfigError(path, 'the certificate needs its key, "keyFile" or "key"')
    try:
        with _as_file(chain) as chain_path, _as_file(key) as key_path:
            context.load_cert_chain(chain_path, key_path, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or "they are not PEM"
        raise ConfigError(path, f"certificate and key cannot be used: {str(reason).replace('_', ' ').lower()}") from None


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path from which `data` can be read: the ssl module reads files only. It stays in memory where the system can."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("pem"), "wb", buffering=0) as file:
            file.write(data)
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:        # mode 0600
            named.write(data)
            named.flush()
            yield named.name


def names_of(chain: bytes, path: str) -> frozenset[str]:
    """The DNS names and the common name of the first certificate, in lower case. Raises: ConfigError."""
    from cryptography import x509  # takes long to import, and clients do without it
    from cryptography.x509.oid import NameOID

    try:
        certificate = x509.load_pem_x509_certificate(chain)
        names = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            pass
        else:
            names += extension.value.get_values_for_type(x509.DNSName)
    except ValueError:
        raise ConfigError(path, "the certificate cannot be read") from None
    return frozenset(name.lower() for name in names)


def fits(names: frozenset[str], server_name: str) -> bool:
    """Whether a certificate for `names` is one for `server_name` (lower case): exactly, or by a one-label wildcard."""
    _, dot, parent = server_name.partition(".")
    return server_name in names or (bool(dot) and f"*.{parent}" in names)
