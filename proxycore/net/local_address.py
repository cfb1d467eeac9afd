"""Whether this host still has the address that a connection goes out from.

Who moves to another network keeps its connections, as far as the kernel is concerned, until they time out minutes later.
"""

from __future__ import annotations

import errno
import socket

_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def is_gone(sock: socket.socket) -> bool:
    """Whether `sock` goes out from an address that this host does not have any more. False where that cannot be told."""
    if sock.family not in _FAMILIES:
        return False
    try:
        host, *rest = sock.getsockname()
        with socket.socket(sock.family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0, *rest[1:]))
    except OSError as error:
        return error.errno == errno.EADDRNOTAVAIL
    return False
