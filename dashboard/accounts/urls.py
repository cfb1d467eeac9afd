from django.contrib import admin
from django.urls import path

from dashboard.accounts import views

app_name = "accounts"
urlpatterns = [
    path("setup/<str:token>/", views.setup, name="setup"),
    path("admin/account/confirm/", admin.site.admin_view(views.confirm_password), name="confirm"),
    path("admin/account/two-factor/", admin.site.admin_view(views.two_factor), name="two_factor"),
]
