"""Instances: their list, making, copying and removing them. The page of one is in instance_page.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin import instance_page
from dashboard.admin.explaining import explaining_urls
from dashboard.admin.exposing import exposing_urls
from dashboard.admin.importing import importing_urls
from dashboard.admin.instance_document import document_urls
from dashboard.admin.instance_page import count_entries, find_instance, may, must, publication, show
from dashboard.admin.instance_problems import problem_urls
from dashboard.admin.links import instance_link
from dashboard.admin.live_pages import live_urls
from dashboard.admin.publishing import publishing_urls
from dashboard.admin.tunnel_page import tunnel_urls
from dashboard.admin_base import ModelAdmin, display
from dashboard.choices import Role
from dashboard.engine.content import Kind
from dashboard.models import Credential, Instance, Revision, Service
from dashboard.services.cloning import clone_instance
from dashboard.services.errors import ServiceError
from dashboard.services.instances import change_instance, create_instance, delete_instance, local_node
from dashboard.services.storing import MODELS

_HEALTH_COLOURS: Final = {"published": "success", "unpublished changes": "warning", "never published": "warning"}
_COUNTED: Final = {Kind.INBOUND: "in", Kind.OUTBOUND: "out", Kind.RULE: "rules"}


class RoleFilter(admin.SimpleListFilter):
    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(role.value, role.label) for role in Role]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        portal, bridge = Q(has_portals=True) | Q(has_vless_portals=True), Q(has_bridges=True) | Q(has_vless_bridges=True)
        conditions = {
            Role.PORTAL: portal & ~bridge,
            Role.BRIDGE: bridge & ~portal,
            Role.BOTH: portal & bridge,
            Role.NONE: ~portal & ~bridge,
        }
        wanted = self.value()
        return queryset.filter(conditions[Role(wanted)]) if wanted in Role.values else queryset


class PublishedFilter(admin.SimpleListFilter):
    title = "publication"
    parameter_name = "published"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [("no", "unpublished changes"), ("yes", "published")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "yes":
            return queryset.filter(settled_version=F("version"), published_number__isnull=False)
        if self.value() == "no":
            return queryset.exclude(settled_version=F("version"), published_number__isnull=False)
        return queryset


class NewInstanceForm(forms.ModelForm):
    class Meta:
        model = Instance
        fields = ("name", "node", "note")


@admin.register(Instance)
class InstanceAdmin(ModelAdmin):
    form = NewInstanceForm
    list_display = ("name", "node", "shown_role", "shown_counts", "shown_enabled", "shown_publication")
    list_filter = (PublishedFilter, RoleFilter, "enabled", "node")
    list_filter_submit = False
    list_select_related = ("node",)
    search_fields = ("name", "note", "node__name")
    actions = ("switch_on", "switch_off")
    list_before_template = "admin/dashboard/instance/list_before.html"
    empty_title = "No instances yet"
    empty_words = "An instance is the document of one worker: what it listens on, and where it sends what comes in."
    empty_button = "Make an empty one"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = Instance.objects.with_role().with_published().defer("rest", "comments")
        for kind in _COUNTED:
            model: Any = MODELS[kind]
            counted = model.objects.filter(instance=OuterRef("pk")).order_by().values("instance").annotate(n=Count("pk"))
            rows = rows.annotate(**{f"count_{kind}": Coalesce(Subquery(counted.values("n")), 0)})
        return rows

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)        # one by one, with what goes with each
        return actions

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/clone/", wrap(clone), name="dashboard_instance_clone"),
            *document_urls(self),
            *problem_urls(self),
            *explaining_urls(self),
            *importing_urls(self),
            *exposing_urls(self),
            *publishing_urls(self),
            *live_urls(self),
            *tunnel_urls(self),
        ]
        return [*own, *super().get_urls()]

    @admin.display(description="role")
    def shown_role(self, instance: Instance) -> str:
        return str(instance.role.label)

    @admin.display(description="entries")
    def shown_counts(self, instance: Instance) -> str:
        return ", ".join(f"{getattr(instance, f'count_{kind}')} {word}" for kind, word in _COUNTED.items())

    @admin.display(description="state", ordering="enabled")
    def shown_enabled(self, instance: Instance) -> str:
        return "on" if instance.enabled else "off"

    @display(description="publication", label=_HEALTH_COLOURS)  # type: ignore[untyped-decorator]
    def shown_publication(self, instance: Instance) -> tuple[str, str]:
        _, words = publication(instance)
        return ("published" if words.startswith("published") else words), words

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._switch(request, queryset, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet, enabled: bool) -> None:
        switched = [change_instance(row, by=request.user, enabled=enabled) for row in queryset if row.enabled != enabled]
        self.message_user(request, f"{len(switched)} switched {'on' if enabled else 'off'}.")

    # --- adding
    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"node": local_node().pk, **super().get_changeform_initial_data(request)}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.base_fields["name"].help_text = "what you call it; it is the worker's name, too"
        form.base_fields["node"].help_text = "the host that runs it"
        return form

    def save_model(self, request: HttpRequest, obj: Instance, form: Any, change: bool) -> None:
        made = create_instance(name=obj.name, node=obj.node, note=obj.note, by=request.user)
        obj.pk, obj.version = made.pk, made.version

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """The audit log has it."""

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        messages.success(request, f"{obj.name} is there, and empty. Add an inbound, or import a document.")
        return HttpResponseRedirect(instance_link(obj))

    # --- one instance
    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return instance_page.page(request, object_id)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        must(request, "delete_instance")
        instance = find_instance(object_id)
        if request.method == "POST":
            name = instance.name
            delete_instance(instance, by=request.user)
            messages.success(request, f"{name} is deleted.")
            return HttpResponseRedirect("../../")
        counts = count_entries(instance)
        return show(
            request, "delete.html", instance, title=f"Instance {instance.name}", counts=counts,
            goes=[(str(kind) if number == 1 else f"{kind}s", number) for kind, number in counts.items() if number],
            clients=Credential.objects.filter(inbound__instance=instance).count(),
            services=Service.objects.filter(instance=instance).count(),
            revisions=Revision.objects.filter(instance=instance).count(),
        )


def clone(request: HttpRequest, pk: int) -> HttpResponse:
    """A copy, switched off: its ports are those of the original."""
    must(request, "add_instance", "change_instance")
    instance = find_instance(pk)
    problem = ""
    if request.method == "POST":
        try:
            made = clone_instance(instance, name=request.POST.get("name", "").strip(), by=request.user)
        except ServiceError as error:
            problem = error.message
        else:
            messages.success(request, f"{made.name} is a copy of {instance.name}. It is off, as both want the same ports.")
            return HttpResponseRedirect(instance_link(made))
    return show(
        request, "clone.html", instance, title=f"Instance {instance.name}", problem=problem, status=400 if problem else 200,
        name=request.POST.get("name", f"{instance.name}-copy"), may_add=may(request, "add_instance"),
    )
