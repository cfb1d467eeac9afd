"""Addresses below /api/v1/."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from dashboard.api import conditions, diagnosing, documents, entries, nodes, pausing, running, services, traffic, viewsets
from dashboard.live.sse import LiveView

router = SimpleRouter(use_regex_path=False)
router.register("nodes", nodes.NodeViewSet)
router.register("instances", viewsets.InstanceViewSet)
router.register("instances", documents.DocumentViewSet, basename="document")
router.register("instances", running.RunningViewSet, basename="running")
router.register("inbounds", entries.InboundViewSet)
router.register("credentials", entries.CredentialViewSet)
router.register("outbounds", entries.OutboundViewSet)
router.register("portals", entries.PortalViewSet)
router.register("bridges", entries.BridgeViewSet)
router.register("rules", entries.RuleViewSet)
router.register("balancers", entries.BalancerViewSet)
router.register("certificates", viewsets.CertificateViewSet)
router.register("tokens", viewsets.TokenViewSet)
router.register("revisions", documents.RevisionViewSet)
router.register("audit", viewsets.AuditViewSet)
router.register("join_tokens", nodes.JoinTokenViewSet)
router.register("events", nodes.EventViewSet)
router.register("traffic", traffic.TrafficViewSet)
router.register("conditions", conditions.ConditionViewSet)
router.register("receivers", conditions.ReceiverViewSet)
router.register("services", services.ServiceViewSet)

app_name = "api"
urlpatterns = [
    path("live/", LiveView.as_view(), name="live"),
    path("tunnels/diagnose/", diagnosing.DiagnoseView.as_view(), name="diagnose"),
    path("tunnels/pause/", pausing.PauseView.as_view(), name="pause"),
    path("tunnels/resume/", pausing.ResumeView.as_view(), name="resume"),
    path("lint/", documents.LintView.as_view(), name="lint"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    path("", include(router.urls)),
]
