"""Where the panel is, and by what its certificate is known: for commands that are typed elsewhere."""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.conf import settings

logger = logging.getLogger(__name__)


def panel_url() -> str:
    """Where it listens; pages know from their request how it is reached."""
    return f"{'https' if settings.HTTPS else 'http'}://{getattr(settings, 'LISTEN', '127.0.0.1:8000')}"


def panel_fingerprint() -> str:
    """SHA-256 of the certificate that the panel serves TLS with itself, in hex; "" where a web server in front does that.

    Nobody but us vouches for such a certificate, as a rule: the node is told which one it is.
    """
    file = getattr(settings, "TLS_CERTIFICATE", "")
    if not file:
        return ""
    try:
        certificate = x509.load_pem_x509_certificates(Path(file).read_bytes())[0]
    except (OSError, ValueError, IndexError) as error:
        logger.warning("%s: the panel's certificate cannot be read: %s", file, error)
        return ""
    return certificate.fingerprint(hashes.SHA256()).hex()
