"""The admin, one module per model; what they look like comes from `dashboard.admin_base`."""

from dashboard.admin import accounts, instance, revision, service

__all__ = ["accounts", "instance", "revision", "service"]
