"""Services that were exposed: what leads where, the far side's file, and how to see that it works."""

from __future__ import annotations

import time
from typing import Any, Final

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from dashboard.accounts.stepup import GOOD_FOR_S
from dashboard.admin.code_view import code_lines
from dashboard.admin.instance_document import as_file, ask_for_secrets
from dashboard.admin.instance_page import may, must, show
from dashboard.admin.live_data import live_data, tunnel_link
from dashboard.admin_base import ModelAdmin
from dashboard.choices import Standing, Verb
from dashboard.engine.exposing import CORES
from dashboard.engine.parse import parse_entry
from dashboard.engine.secrets import mask_entry
from dashboard.models import Instance, Service
from dashboard.services.auditing import record
from dashboard.services.errors import ServiceError
from dashboard.services.exporting import as_text
from dashboard.services.exposing import take_down

_FRESH: Final = "fresh_services"
MAX_FRESH: Final = 20           # services of one session whose file may be seen without the right to


def show_file_for_a_while(request: HttpRequest, service: Service) -> None:
    """Who made a service gets its file right then, in this session only."""
    fresh = {**request.session.get(_FRESH, {}), str(service.pk): int(time.time())}
    request.session[_FRESH] = dict(list(fresh.items())[-MAX_FRESH:])


def is_fresh(request: HttpRequest, service: Service) -> bool:
    made_at = request.session.get(_FRESH, {}).get(str(service.pk), 0)
    return isinstance(made_at, int) and 0 <= time.time() - made_at < GOOD_FOR_S


def find_service(pk: int | str) -> Service:
    try:
        return Service.objects.select_related("instance", "instance__node", "far_instance", "far_instance__node").get(pk=int(pk))
    except (ValueError, Service.DoesNotExist):
        raise Http404("there is no such service") from None


@admin.register(Service)
class ServiceAdmin(ModelAdmin):
    list_display = ("name", "shown_entry", "shown_target", "shown_far", "created_at")
    list_filter = ("instance", "core")
    list_select_related = ("instance", "far_instance")
    search_fields = ("name", "target_host", "instance__name")
    actions = None
    list_before_template = "admin/dashboard/instance/list_before.html"
    empty_title = "No services yet"
    empty_words = "A service is what people reach through a tunnel: a web server at home, a NAS, an SSH port behind a router."
    empty_button = "Expose a service"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("far_document", "instance__rest", "instance__comments")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/file/", wrap(far_file), name="dashboard_service_file"), *super().get_urls()]

    @admin.display(description="public entry")
    def shown_entry(self, service: Service) -> str:
        return f"{service.instance.name}, port {service.public_port}"

    @admin.display(description="leads to")
    def shown_target(self, service: Service) -> str:
        return f"{service.target} ({service.networks.replace(',', ' and ')})"

    @admin.display(description="far side")
    def shown_far(self, service: Service) -> str:
        return service.far_instance.name if service.far_instance is not None else core_title(service)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:dashboard_expose"))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return service_page(request, object_id)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        must(request, "delete_service", "change_instance")
        service = find_service(object_id)
        if request.method == "POST":
            try:
                stays = take_down(service, by=request.user)
            except ServiceError as error:
                messages.error(request, error.message)
                return HttpResponseRedirect(reverse("admin:dashboard_service_change", args=[service.pk]))
            rest = f"Publish {service.instance.name} for it to take effect." if stays else f"{service.instance.name} is deleted."
            messages.success(request, f"{service.name} is taken down. {rest}")
            return HttpResponseRedirect(reverse("admin:dashboard_service_changelist"))
        return show(request, "service_delete.html", None, title=f"Take down {service.name}", service=service)


def core_title(service: Service) -> str:
    core = CORES.get(service.core)
    return core.title if core is not None else service.core


def _page_with_secrets(service: Service) -> str:
    return f"{reverse('admin:dashboard_service_change', args=[service.pk])}?secrets=1"


def service_page(request: HttpRequest, pk: str) -> HttpResponse:
    must(request, "view_service", "view_instance")
    service = find_service(pk)
    fresh = is_fresh(request, service)
    wants_secrets = "secrets" in request.GET
    if wants_secrets and not fresh:
        refused = ask_for_secrets(request, _page_with_secrets(service))
        if refused is not None:
            return refused
        record(request.user, Verb.REVEALED, service, instance=service.instance, note="the far side's file")
    with_secrets = fresh or wants_secrets
    document = service.far_document
    text = document if with_secrets else as_text(mask_entry(parse_entry(document))) if document else ""
    core = CORES.get(service.core)
    file_name = f"{service.name}.json"
    answer = show(
        request, "service.html", None, title=f"Service {service.name}", service=service, lines=code_lines(text)[0],
        with_secrets=with_secrets, is_fresh=fresh, may_reveal=may(request, "reveal_secrets"), core_title=core_title(service),
        file_name=file_name, command=core.command.format(file=file_name) if core is not None else "",
        may_delete=may(request, "delete_service"), public_host=service.instance.node.address or service.portal_host,
        is_tcp="tcp" in service.networks, live=live_data(service=service.name, instance=service.instance_id),
        tunnel=tunnel_link(service.instance_id, "portal", service.name), has_agent=_has_agent(service.instance),
        far_has_agent=service.far_instance is not None and _has_agent(service.far_instance),
        public_document=reverse("admin:dashboard_instance_document", args=[service.instance_id]),
    )
    answer["Cache-Control"] = "no-store"
    return answer


def _has_agent(instance: Instance) -> bool:
    """Whether its node runs it by itself."""
    return instance.node.state not in (Standing.NEW, Standing.REVOKED)


def far_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The far side's file with its secrets, for who made it just now, or who may see secrets."""
    must(request, "view_service")
    service = find_service(pk)
    if not is_fresh(request, service):
        refused = ask_for_secrets(request, _page_with_secrets(service))
        if refused is not None:
            return refused
    record(request.user, Verb.EXPORTED, service, instance=service.instance, note="the far side's file")
    return as_file(service.far_document, f"{service.name}.json")
