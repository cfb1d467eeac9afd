from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DashboardConfig(AppConfig):
    name = "dashboard"
    verbose_name = "Reverse tunnels"

    def ready(self) -> None:
        from dashboard import checks  # noqa: F401 - registers them
        from dashboard.accounts.roles import sync_roles

        post_migrate.connect(sync_roles, dispatch_uid="dashboard.roles")
