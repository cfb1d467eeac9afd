from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from dashboard.live.joining import join_view
from dashboard.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="front"),
    path("", include("dashboard.accounts.urls")),
    path("api/v1/", include("dashboard.api.urls")),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("agent/v1/join/", join_view, name="join"),
]

handler404 = "dashboard.api.faults.no_such_address"
