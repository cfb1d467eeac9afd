"""Publishing an instance, discarding what is not published: pages that show what will happen, and ask."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.urls.resolvers import URLPattern

from dashboard.admin.instance_page import find_instance, may, must, show
from dashboard.admin.links import instance_link
from dashboard.admin.placed import by_severity, shown_finding, shown_problem
from dashboard.admin.rows import number_sent
from dashboard.admin_base import Select, Switch, TextInput
from dashboard.engine.diff import Change
from dashboard.models import Instance, Revision
from dashboard.services.errors import ServiceError, VersionConflict
from dashboard.services.publishing import (
    MAX_COMMENT_CHARS,
    NothingToPublish,
    PublishConflict,
    PublishRefused,
    Review,
    WarningsNotAccepted,
    discard,
    newest_revision,
    preview_going_back,
    publish,
    review,
)
from dashboard.services.running import confirm
from dashboard.services.unpublished import count_unpublished

MAX_LISTED: Final = 300         # changes or findings on a page; more are counted
REVISIONS_ON_A_PAGE: Final = 50
PROBATIONS: Final = (("0", "no: it is final at once"), ("20", "in 20 seconds"), ("60", "in a minute"), ("300", "in 5 minutes"))


def publishing_urls(model_admin: Any) -> list[URLPattern]:
    wrap = model_admin.admin_site.admin_view
    return [
        path("<int:pk>/publish/", wrap(publish_page), name="dashboard_instance_publish"),
        path("<int:pk>/confirm/", wrap(confirm_page), name="dashboard_instance_confirm"),
        path("<int:pk>/discard/", wrap(discard_page), name="dashboard_instance_discard"),
        path("<int:pk>/unpublished/", wrap(unpublished), name="dashboard_instance_unpublished"),
        path("<int:pk>/revisions/", wrap(revisions), name="dashboard_instance_revisions"),
    ]


class PublishForm(forms.Form):
    """`number` and `version` say what the person saw: the newest revision and the instance at that time."""

    number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    comment = forms.CharField(
        required=False, max_length=MAX_COMMENT_CHARS, widget=TextInput(),
        help_text="why, for those who read the list of revisions later")
    accept = forms.BooleanField(required=False)
    confirm_s = forms.TypedChoiceField(
        coerce=int, choices=PROBATIONS, required=False, empty_value="0", widget=Select(), label="Has to prove itself",
        help_text="If the worker dies, or tunnels that were up do not come back by then, the revision before returns by itself.")
    needs_confirm = forms.BooleanField(
        required=False, widget=Switch(), label="And I confirm it",
        help_text="For changes made through the tunnel itself: who cannot reach this page any more cannot confirm.")


def publish_page(request: HttpRequest, pk: int) -> HttpResponse:
    """What changes and what stands against it; who may publish confirms it here."""
    must(request, "view_instance")
    instance = find_instance(pk)
    if request.method != "POST":
        return _publish_page(request, instance)
    must(request, "publish_instance")
    form = PublishForm(request.POST)
    if not form.is_valid():
        return _publish_page(request, instance, form, "The form was not complete. This is what would be published now.")
    values = form.cleaned_data
    try:
        revision = publish(
            instance, by=request.user, comment=values["comment"], expected_number=values["number"],
            expected_version=values["version"], accept_warnings=values["accept"], confirm_s=int(values["confirm_s"]),
            needs_confirm=values["needs_confirm"])
    except PublishConflict as conflict:
        return _conflict_page(request, instance, conflict, values["comment"])
    except NothingToPublish as nothing:
        messages.info(request, f"{_sentence(nothing.message)}.")
        return HttpResponseRedirect(instance_link(instance))
    except VersionConflict:
        told = "Somebody changed this instance while you looked at it. Nothing is published yet; this is what there is now."
        return _publish_page(request, instance, form, told, status=409)
    except WarningsNotAccepted:
        return _publish_page(request, instance, form, "There are warnings. Read them, and say that you want to publish anyway.")
    except PublishRefused:
        return _publish_page(request, instance, form, "It has errors, so it was not published.")
    except ServiceError as error:
        return _publish_page(request, instance, form, f"It was not published: {error.message}.")
    messages.success(request, f"{instance.name} is published as revision {revision.number}{_probation(revision)}.")
    return HttpResponseRedirect(instance_link(instance))


def _probation(revision: Revision) -> str:
    if not revision.confirm_s:
        return ""
    asked = "; confirm it on this page" if revision.needs_confirm else ""
    return f". It has {revision.confirm_s} s to prove itself{asked}"


def confirm_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The button of a revision on probation."""
    must(request, "publish_instance")
    instance = find_instance(pk)
    if request.method == "POST":
        try:
            messages.success(request, f"Revision {confirm(instance, by=request.user)} may stay.")
        except ServiceError as error:
            messages.error(request, f"{_sentence(error.message)}.")
    return HttpResponseRedirect(instance_link(instance))


def _publish_page(
    request: HttpRequest, instance: Instance, form: PublishForm | None = None, told: str = "", status: int = 400
) -> HttpResponse:
    title = f"Publish {instance.name}"
    try:
        found = review(instance)
    except ServiceError as error:
        return show(request, "publish.html", instance, title=title, problem=_sentence(error.message), no_bar=True, status=409)
    comment = form.cleaned_data.get("comment", "") if form is not None and hasattr(form, "cleaned_data") else ""
    fresh = PublishForm(initial={"number": found.number, "version": found.version, "comment": comment})
    return show(
        request, "publish.html", instance, title=title, found=found, form=fresh, told=told, no_bar=True,
        findings=_findings(instance, found), **listed(found.changes), may_publish=may(request, "publish_instance"),
        status=status if told else 200,
    )


def _conflict_page(request: HttpRequest, instance: Instance, conflict: PublishConflict, comment: str) -> HttpResponse:
    current = Revision.objects.filter(instance=instance, number=conflict.current).defer("document", "rows").first()
    instance = find_instance(instance.pk)
    form = PublishForm(initial={"number": conflict.current, "version": instance.version, "comment": comment})
    theirs, yours = listed(conflict.theirs), listed(conflict.yours)
    return show(
        request, "conflict.html", instance, title=f"Publish {instance.name}", conflict=conflict, current=current, form=form,
        theirs=theirs, yours=yours, no_bar=True, status=409,
    )


def discard_page(request: HttpRequest, pk: int) -> HttpResponse:
    must(request, "publish_instance")
    instance = find_instance(pk)
    newest = newest_revision(instance)
    if newest is None:
        messages.info(request, "Nothing was published yet, so there is nothing to go back to.")
        return HttpResponseRedirect(instance_link(instance))
    told = ""
    if request.method == "POST":
        try:
            discard(instance, by=request.user, expected_version=number_sent(request, "version"))
        except VersionConflict:
            told = "Somebody changed this instance while you looked at it. This is what would be discarded now."
        except ServiceError as error:
            told = f"Nothing was discarded: {error.message}."
        else:
            messages.success(request, f"{instance.name} is what revision {newest.number} says again.")
            return HttpResponseRedirect(instance_link(instance))
        instance = find_instance(pk)
    changes = preview_going_back(instance, newest)
    return show(
        request, "discard.html", instance, title=f"Discard changes of {instance.name}", newest=newest, told=told, no_bar=True,
        lost_clients=removed_clients(changes), **listed(changes), status=409 if told else 200,
    )


def unpublished(request: HttpRequest, pk: int) -> HttpResponse:
    """How many changes are not published, for the bar; null where the rows make no document."""
    must(request, "view_instance")
    try:
        count: int | None = count_unpublished(find_instance(pk))
    except ServiceError:
        count = None
    return JsonResponse({"count": count})


def revisions(request: HttpRequest, pk: int) -> HttpResponse:
    """All that was published of one instance, the newest first."""
    must(request, "view_instance", "view_revision")
    instance = find_instance(pk)
    rows = Revision.objects.filter(instance=instance).select_related("rolled_back_to").order_by("-number")
    rows = rows.defer("document", "rows", "rolled_back_to__document", "rolled_back_to__rows")
    page = Paginator(rows, REVISIONS_ON_A_PAGE).get_page(request.GET.get("p"))
    return show(
        request, "revisions.html", instance, title=f"Instance {instance.name}", tab="revisions", page=page,
        may_publish=may(request, "publish_instance"),
    )


def listed(changes: list[Change]) -> dict[str, Any]:
    """For changes.html."""
    return {"changes": changes[:MAX_LISTED], "more_changes": max(0, len(changes) - MAX_LISTED), "all_changes": len(changes)}


def removed_clients(changes: list[Change]) -> int:
    return sum(change.kind == "removed" and change.what == "client" for change in changes)


def _findings(instance: Instance, found: Review) -> list[dict[str, Any]]:
    told = [shown_problem(instance, one) for one in found.problems] + [shown_finding(instance, one) for one in found.findings]
    return by_severity(told)[:MAX_LISTED]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
