"""The admin, one module per model; what they look like comes from `dashboard.admin_base`."""

from dashboard.admin import (
    accounts,
    audit,
    certificate,
    credential,
    entries,
    event,
    instance,
    node,
    receiver,
    revision,
    service,
    token,
)

__all__ = [
    "accounts", "audit", "certificate", "credential", "entries", "event", "instance", "node", "receiver",
    "revision", "service", "token",
]  # fmt: skip
