"""The page of an instance: tabs, each an address of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from dashboard.admin.entry_tables import PLURALS, table
from dashboard.admin.links import add_link, change_link, instance_link, list_link, page_link
from dashboard.admin.live_data import live_data
from dashboard.admin_base import NumberInput, Select, Switch, Textarea, TextInput
from dashboard.engine.content import Kind
from dashboard.engine.picture import Chip, picture
from dashboard.models import Instance, Node, Revision, Service
from dashboard.models.instance import LEAST_DESCRIPTORS, LEAST_MEMORY_MIB, MOST_DESCRIPTORS, MOST_MEMORY_MIB
from dashboard.services.errors import ServiceError
from dashboard.services.instances import change_instance
from dashboard.services.storing import MODELS, load_content

MAX_PICTURED_ENTRIES: Final = 2000
"""Of an instance with more the picture is drawn only when it is asked for: its whole content has to be decrypted."""


_OWN_PAGES: Final = (
    ("rest", "Rest", "view_instance"), ("document", "Document", "view_instance"), ("problems", "Problems", "view_instance"),
    ("explain", "Explain", "view_instance"), ("revisions", "Revisions", "view_revision"),
    ("log", "Log", "view_instance"), ("import", "Import", "import_instance"),
)  # fmt: skip
"""Tabs that have views of their own: name, title, what one must be allowed to do."""


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    title: str
    link: str
    count: int | None = None
    is_current: bool = False


def find_instance(pk: int | str) -> Instance:
    """With its role and newest revision. Raises Http404."""
    try:
        return Instance.objects.with_role().with_published().select_related("node").get(pk=int(pk))
    except (ValueError, Instance.DoesNotExist):
        raise Http404("there is no such instance") from None


def count_entries(instance: Instance) -> dict[Kind, int]:
    models: dict[Kind, Any] = dict(MODELS)
    return {kind: model.objects.filter(instance=instance).count() for kind, model in models.items()}


def publication(instance: Instance) -> tuple[str, str]:
    """How it stands with its newest revision: (health, words). The instance comes from `with_published`."""
    number = getattr(instance, "published_number", None)
    if number is None:
        return "warn", "never published"
    if not instance.may_be_unpublished:
        return "good", f"published as #{number}"
    return "warn", "unpublished changes"


def tabs(request: HttpRequest, instance: Instance, current: str, counts: dict[Kind, int]) -> list[Tab]:
    listed = [Tab("overview", "Overview", instance_link(instance))]
    for kind, plural in PLURALS.items():
        listed.append(Tab(plural, plural.capitalize(), instance_link(instance, plural), counts[kind]))
    for name, title, codename in _OWN_PAGES:
        link = page_link(f"admin:dashboard_instance_{name}", instance.pk)
        if link and may(request, codename):
            listed.append(Tab(name, title, link))
    return [Tab(tab.name, tab.title, tab.link, tab.count, tab.name == current) for tab in listed]


def show(
    request: HttpRequest, template: str, instance: Instance | None, *, title: str, tab: str = "", status: int = 200,
    **context: Any,
) -> HttpResponse:
    """A page in the admin's frame; with an instance its head and tabs are above."""
    values = {**admin.site.each_context(request), "title": title, **context}
    if instance is not None:
        counts = context.get("counts") or count_entries(instance)
        health, words = publication(instance)
        values |= {
            "instance": instance, "tabs": tabs(request, instance, tab, counts), "tab": tab, "counts": counts,
            "publication": words, "publication_health": health, "may_change": may(request, "change_instance"),
        }
    return render(request, f"admin/dashboard/instance/{template}", values, status=status)


def may(request: HttpRequest, *codenames: str) -> bool:
    return all(request.user.has_perm(f"dashboard.{codename}") for codename in codenames)


def must(request: HttpRequest, *codenames: str) -> None:
    if not may(request, *codenames):
        raise PermissionDenied


class SettingsForm(forms.Form):
    """What an instance is beside its document."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    name = forms.CharField(max_length=64, widget=TextInput())
    node = forms.ModelChoiceField(Node.objects.all(), widget=Select(), empty_label=None)
    note = forms.CharField(required=False, max_length=2000, widget=Textarea(attrs={"rows": 2}))
    enabled = forms.BooleanField(required=False, widget=Switch(), help_text="off: no worker runs it, and its ports are free")
    memory_limit_mib = forms.IntegerField(
        required=False, min_value=0, max_value=MOST_MEMORY_MIB, widget=NumberInput(), label="Memory in MiB, at most",
        help_text=f"{LEAST_MEMORY_MIB} or more; empty: no limit. It holds from the worker's next start on")
    descriptor_limit = forms.IntegerField(
        required=False, min_value=0, max_value=MOST_DESCRIPTORS, widget=NumberInput(), label="Open files, at most",
        help_text=f"{LEAST_DESCRIPTORS} or more; a client takes one or two. Empty: as many as the node allows")


def page(request: HttpRequest, pk: str) -> HttpResponse:
    """All tabs that show rows; the others have views of their own."""
    must(request, "view_instance")
    instance = find_instance(pk)
    tab = request.GET.get("tab", "overview")
    view = _TABS.get(tab)
    if view is None:
        raise Http404("there is no such tab")
    return view(request, instance, tab)


def _overview(request: HttpRequest, instance: Instance, tab: str) -> HttpResponse:
    counts = count_entries(instance)
    is_drawn = sum(counts.values()) <= MAX_PICTURED_ENTRIES or "draw" in request.GET
    form = SettingsForm(
        request.POST if request.method == "POST" else None,
        initial={"version": instance.version, "name": instance.name, "node": instance.node_id, "note": instance.note,
                 "enabled": instance.enabled, "memory_limit_mib": instance.memory_limit_mib or None,
                 "descriptor_limit": instance.descriptor_limit or None},
    )
    if request.method == "POST":
        must(request, "change_instance")
        if form.is_valid():
            try:
                values = {name: form.cleaned_data[name] for name in ("name", "node", "note", "enabled")}
                values |= {name: form.cleaned_data[name] or 0 for name in ("memory_limit_mib", "descriptor_limit")}
                change_instance(instance, by=request.user, expected_version=form.cleaned_data["version"], **values)
            except ServiceError as error:
                form.add_error(error.path if error.path in form.fields else None, error.message)
            else:
                messages.success(request, "Saved.")
                return HttpResponseRedirect(instance_link(instance))
    drawn = picture(load_content(instance)) if is_drawn else None
    return show(
        request, "overview.html", instance, title=f"Instance {instance.name}", tab=tab, counts=counts, form=form, picture=drawn,
        lanes=[_linked(lane.entries, lane.target, lane) for lane in drawn.lanes] if drawn else [],
        default=_chip(drawn.default) if drawn else None, is_empty=not any(counts.values()),
        expose_link=_expose_link(request, instance), services=_services(request, instance), live=_live(request, instance),
        status=400 if form.errors else 200,
    )


def _live(request: HttpRequest, instance: Instance) -> dict[str, Any]:
    """For the card of its process."""
    names = {"publish": "view_instance", "revisions": "view_revision", "log": "view_instance"}
    links = {name: page_link(f"admin:dashboard_instance_{name}", instance.pk) if may(request, right) else ""
             for name, right in names.items()}
    newest = Revision.objects.filter(instance=instance).order_by("-number").values_list("number", "needs_confirm").first()
    return live_data(
        needs_confirm=newest[0] if newest is not None and newest[1] else 0, instance=instance.pk,
        number=getattr(instance, "published_number", None) or 0, links=links,
        may_act=may(request, "publish_instance"), is_unpublished=instance.may_be_unpublished)


def _services(request: HttpRequest, instance: Instance) -> list[tuple[str, str, str]]:
    """(name, what it leads to, its page) of those on either side of which this instance is."""
    if not may(request, "view_service"):
        return []
    rows = Service.objects.filter(Q(instance=instance) | Q(far_instance=instance)).defer("far_document")
    return [(row.name, row.target, page_link("admin:dashboard_service_change", row.pk)) for row in rows]


def _expose_link(request: HttpRequest, instance: Instance) -> str:
    if not may(request, "add_instance", "change_instance", "add_service", "publish_instance"):
        return ""
    return page_link("admin:dashboard_expose", instance=instance.pk)


def _linked(entries: list[Chip], target: Chip, lane: Any) -> dict[str, Any]:
    return {
        "name": lane.name, "link": change_link(Kind.RULE, lane.pk) if lane.pk else "", "conditions": lane.conditions,
        "entries": [_chip(chip) for chip in entries], "target": _chip(target),
    }


def _chip(chip: Chip) -> dict[str, Any]:
    link = change_link(chip.kind, chip.pk) if chip.kind is not None and chip.pk is not None else ""
    return {"sort": chip.sort, "title": chip.title, "note": chip.note, "link": link}


def _entries(request: HttpRequest, instance: Instance, tab: str) -> HttpResponse:
    kind = next(kind for kind, plural in PLURALS.items() if plural == tab)
    model = MODELS[kind]._meta.model_name
    return show(
        request, "entries.html", instance, title=f"Instance {instance.name}", tab=tab, table=table(request, instance, kind),
        add_link=add_link(kind, instance) if may(request, f"add_{model}") else "", list_link=list_link(kind, instance),
        q=request.GET.get("q", ""),
    )


_TABS: Final[dict[str, Callable[[HttpRequest, Instance, str], HttpResponse]]] = {
    "overview": _overview,
    **{plural: _entries for plural in PLURALS.values()},
}
