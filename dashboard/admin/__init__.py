"""The admin, one module per model; what they look like comes from `dashboard.admin_base`."""

from dashboard.admin import accounts, instance, service

__all__ = ["accounts", "instance", "service"]
