"""The sidebar: what the person may see, in the order in which a tunnel is thought of."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


class Entry(NamedTuple):
    title: str
    icon: str           # of Material Symbols, which unfold brings along
    url: str            # its name
    permission: str


GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("Tunnels", (
        Entry("Overview", "monitoring", "admin:index", "dashboard.view_instance"),
        Entry("Services", "share", "admin:dashboard_service_changelist", "dashboard.view_service"),
        Entry("Instances", "hub", "admin:dashboard_instance_changelist", "dashboard.view_instance"),
        Entry("Nodes", "dns", "admin:dashboard_node_changelist", "dashboard.view_node"),
        Entry("Events", "history_toggle_off", "admin:dashboard_nodeevent_changelist", "dashboard.view_nodeevent"),
        Entry("Certificates", "verified_user", "admin:dashboard_certificate_changelist", "dashboard.view_certificate"),
    )),
    ("Parts", (
        Entry("Inbounds", "login", "admin:dashboard_inbound_changelist", "dashboard.view_inbound"),
        Entry("Clients", "key", "admin:dashboard_credential_changelist", "dashboard.view_credential"),
        Entry("Outbounds", "logout", "admin:dashboard_outbound_changelist", "dashboard.view_outbound"),
        Entry("Portals", "door_open", "admin:dashboard_portal_changelist", "dashboard.view_portal"),
        Entry("Bridges", "conversion_path", "admin:dashboard_bridge_changelist", "dashboard.view_bridge"),
        Entry("Rules", "alt_route", "admin:dashboard_routingrule_changelist", "dashboard.view_routingrule"),
        Entry("Balancers", "balance", "admin:dashboard_balancer_changelist", "dashboard.view_balancer"),
    )),
    ("Panel", (
        Entry("Revisions", "history", "admin:dashboard_revision_changelist", "dashboard.view_revision"),
        Entry("Audit log", "receipt_long", "admin:dashboard_auditentry_changelist", "dashboard.view_auditentry"),
        Entry("Conditions", "emergency_home", "admin:dashboard_condition_changelist", "dashboard.view_condition"),
        Entry("Receivers", "notifications", "admin:dashboard_receiver_changelist", "dashboard.view_receiver"),
        Entry("API tokens", "vpn_key", "admin:dashboard_apitoken_changelist", "dashboard.view_apitoken"),
        Entry("People", "group", "admin:auth_user_changelist", "auth.view_user"),
        Entry("Failed logins", "gpp_maybe", "admin:axes_accessattempt_changelist", "axes.view_accessattempt"),
    )),
)


def sidebar(request: HttpRequest) -> list[dict[str, object]]:
    groups: list[dict[str, object]] = []
    for title, entries in GROUPS:
        items = [
            {"title": entry.title, "icon": entry.icon, "link": link}
            for entry in entries
            if request.user.has_perm(entry.permission) and (link := _link(entry.url))
        ]
        if items:
            groups.append({"title": title, "separator": bool(groups), "items": items})
    return groups


def _link(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
