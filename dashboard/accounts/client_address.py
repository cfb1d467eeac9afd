"""The address that a request came from, for throttling and the audit log."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The peer's address; behind `XREV_PROXIES` proxies of ours, what the outermost of them wrote into X-Forwarded-For.

    What clients write there themselves stands further left and is not looked at.
    """
    return address_behind_proxies(request.META.get("REMOTE_ADDR") or "", request.headers.get("X-Forwarded-For", ""))


def address_behind_proxies(peer: str, forwarded_for: str) -> str:
    """The same of a connection that is no request: who is connected, and the header. An empty `peer` is a unix socket."""
    proxies: int = settings.TRUSTED_PROXIES
    if proxies:
        hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
        if len(hops) >= proxies:
            peer = hops[-proxies]
    try:
        return str(ip_address(peer))
    except ValueError:
        return "127.0.0.1"
