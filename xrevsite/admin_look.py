"""How the panel looks: django-unfold's settings. One accent colour; green, amber and red mean health and nothing else."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

_ACCENT = {
    "50": "oklch(97% .014 254.6)", "100": "oklch(93.2% .032 255.6)", "200": "oklch(88.2% .059 254.1)",
    "300": "oklch(80.9% .105 251.8)", "400": "oklch(70.7% .165 254.6)", "500": "oklch(62.3% .214 259.8)",
    "600": "oklch(54.6% .215 262.9)", "700": "oklch(48.8% .2 264.1)", "800": "oklch(42.4% .17 265.6)",
    "900": "oklch(37.9% .13 265.5)", "950": "oklch(28.2% .08 267.9)",
}  # fmt: skip

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "xrev",
    "SITE_HEADER": "xrev",
    "SITE_SUBHEADER": "reverse tunnels",
    "SITE_SYMBOL": "lan",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("dashboard/icon.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"primary": _ACCENT},
    "STYLES": [lambda request: static("dashboard/panel.css"), lambda request: static("dashboard/pages.css")],
    "DASHBOARD_CALLBACK": "dashboard.admin.front.front",
    "LOGIN": {"form": "dashboard.accounts.login.LoginForm"},
    "ACCOUNT": {"navigation": [{"title": "One-time codes", "link": reverse_lazy("accounts:two_factor")}]},
    "COMMAND": {"search_models": True},
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "navigation": "dashboard.admin.navigation.sidebar",
    },
}
