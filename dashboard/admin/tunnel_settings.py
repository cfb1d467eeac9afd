"""The tab of a tunnel on which its parts are listed, each with what is changed most, and the way to its own page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from dashboard.admin.instance_page import find_instance, may, must
from dashboard.admin.links import change_link, instance_link, model_name
from dashboard.admin.rows import number_sent
from dashboard.engine.checking import entry_problems
from dashboard.engine.quick_fields import BadValue, with_values
from dashboard.models import Instance
from dashboard.services.editing import change_entry
from dashboard.services.errors import ServiceError, VersionConflict
from dashboard.services.topology import Lane
from dashboard.services.tunnel_parts import Part, parts_of
from proxycore.api import Loc, render_path


def settings_of(request: HttpRequest, lane: Lane) -> tuple[dict[str, Any], HttpResponse | None]:
    """What the tab shows; and where to go, if something was saved."""
    parts = parts_of(lane)
    instances = {pk: find_instance(pk) for pk in dict.fromkeys([lane.place.pk, *(part.row.instance_id for part in parts)])}
    wrong: dict[str, Any] = {}
    if request.method == "POST":
        part = next((one for one in parts if _name(one) == request.POST.get("part")), None)
        if part is not None:
            must(request, f"change_{model_name(part.kind)}")
            problems = _save(request, part, instances[part.row.instance_id])
            if not problems:
                return {}, HttpResponseRedirect(request.get_full_path())
            wrong = {"part": _name(part), "problems": problems}
    shown = [_shown(request, part, instances[part.row.instance_id], wrong) for part in parts]
    return {"parts": shown, "concerned": list(instances.values())}, None


def _save(request: HttpRequest, part: Part, instance: Instance) -> list[str]:
    """Why not; nothing: it is saved."""
    sent = {field.name: request.POST.get(field.name, field.value) for field in part.fields}
    try:
        body = with_values(part.fields, part.row.entry, sent)
    except BadValue as error:
        label = next(field.label for field in part.fields if field.name == error.name)
        return [f"{label}: {error}"]
    errors = [one for one in entry_problems(part.kind, body) if one.severity == "error" and _is_about(one.path, part)]
    if errors:
        return [f"{render_path(one.path)}: {one.message}" for one in errors]
    try:
        row = change_entry(part.row, body, by=request.user, expected_version=number_sent(request, "version"))
    except VersionConflict:
        return [f"Somebody changed {instance.name} meanwhile. This is what it is now; your values are still here."]
    except ServiceError as error:
        return [f"{error.path}: {error.message}" if error.path else error.message]
    messages.success(request, f"{row} is saved. It runs when {instance.name} is published.")
    return []


def _is_about(path: Loc, part: Part) -> bool:
    """About one of the fields, or what encloses it. What else is wrong with the entry is not this form's business."""
    return any(path == field.loc[: len(path)] or path[: len(field.loc)] == field.loc for field in part.fields if path)


def _shown(request: HttpRequest, part: Part, instance: Instance, wrong: dict[str, Any]) -> dict[str, Any]:
    is_wrong = wrong.get("part") == _name(part)
    fields = [
        {"field": field, "value": request.POST.get(field.name, field.value) if is_wrong else field.value}
        for field in part.fields]
    return {
        "id": _name(part), "what": part.what, "name": str(part.row), "note": part.note,
        "link": change_link(part.kind, part.row.pk),
        "instance": instance, "instance_link": instance_link(instance), "is_off": not part.row.enabled,
        "problems": wrong["problems"] if is_wrong else [], "may_change": may(request, f"change_{model_name(part.kind)}"),
        "fields": fields,
    }


def _name(part: Part) -> str:
    return f"{part.kind}-{part.row.pk}"
