"""A join token becomes the node's identity, by one POST."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from typing import Any, Final

from pydantic import ValidationError

from proxycore import __version__
from proxycore.agent.panel_address import PanelAddress
from proxycore.errors import ProxyError
from proxycore.messages.link import Joined, JoinRequest

TIMEOUT_S: Final = 15.0             # between two bytes
MOST_S: Final = 30.0                # from the connection to the end of the answer
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_SHOWN_CHARS: Final = 300


class JoinRefused(ProxyError):
    """The panel does not take the token, or this is no panel: to ask again is in vain."""


class JoinFailed(ProxyError):
    """It could not be asked, or could not answer just now."""


class _Connection(http.client.HTTPConnection):
    """To a panel whose certificate is looked at before the token is sent."""

    def __init__(self, address: PanelAddress) -> None:
        super().__init__(address.host, address.port, timeout=TIMEOUT_S)
        self._address = address
        self._connected: socket.socket | None = None

    def connect(self) -> None:
        super().connect()
        if (tls := self._address.tls()) is not None:
            wrapped = tls.wrap_socket(self.sock, server_hostname=self._address.host)
            self.sock = self._connected = wrapped
            self._address.check(wrapped.getpeercert(binary_form=True))
        self._connected = self.sock

    def give_up(self) -> None:
        """From another thread: what is read or written on it fails now."""
        if self._connected is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)       # (that of TLS is not for two threads)


def join(address: PanelAddress, token: str, name: str, *, most_s: float = MOST_S) -> Joined:
    """Blocks until it is answered, a little above `most_s` at most. Raises: JoinRefused, JoinFailed."""
    body = JoinRequest(token=token, name=name[:64], version=__version__).model_dump_json()
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Host": address.authority,
               "User-Agent": f"xrev-agent/{__version__}"}
    connection = _Connection(address)
    in_time = threading.Timer(most_s, connection.give_up)
    in_time.daemon = True
    in_time.start()
    try:
        connection.request("POST", address.join_path, body, headers)
        with connection.getresponse() as response:
            answer = response.read(MAX_ANSWER_BYTES)
    except ssl.SSLError as error:
        raise JoinFailed(tls_advice(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise JoinFailed(f"{address} cannot be reached: {error or type(error).__name__}") from error
    finally:
        in_time.cancel()
        in_time.join()
        connection.close()
    return _read(address, response, answer)


def tls_advice(error: ssl.SSLError) -> str:
    """What is wrong with the panel's certificate, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (f"the panel's certificate is not trusted here: {error.verify_message}. "
                "Pin it with --fingerprint (the join command on the panel's Nodes page has it), or give the panel one that is")
    return f"TLS with the panel failed: {error.args[-1] if error.args else error}"


def _read(address: PanelAddress, response: http.client.HTTPResponse, answer: bytes) -> Joined:
    status = response.status
    if 300 <= status < 400:
        raise JoinRefused(f"{address} leads elsewhere: give --panel {_shown(response.headers.get('Location', ''))}")
    if status == 404:
        raise JoinRefused(f"there is no panel at {address}, or one that is older than nodes: it answers 404")
    if status == 429 or status >= 500:
        raise JoinFailed(f"{address} answers {status} {_shown(response.reason)}")
    if status >= 400:
        raise JoinRefused(f"the panel does not take the join token: {_reason(answer) or f'{status} {_shown(response.reason)}'}")
    try:
        return Joined.model_validate_json(answer)
    except ValidationError:
        raise JoinRefused(f"{address} does not answer as a panel does") from None


def _reason(answer: bytes) -> str:
    """The sentence in an answer that says no, as the REST API's errors have it."""
    try:
        told: Any = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    while isinstance(told, dict | list) and told:
        told = (told.get("detail") or next(iter(told.values()))) if isinstance(told, dict) else told[0]
    return _shown(told) if isinstance(told, str) else ""


def _shown(text: str) -> str:
    """What somebody who is not trusted yet said, for a terminal."""
    return "".join(one if one.isprintable() else "?" for one in text[:MAX_SHOWN_CHARS])
