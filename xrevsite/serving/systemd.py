"""The word to systemd (Type=notify) that all is up, or stops. Source: sd_notify(3)."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """`state`: READY=1, STOPPING=1. Nothing where no service manager asked to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        try:
            one.sendto(state.encode(), address)
        except OSError:
            return                      # who asked is gone; the service goes on
