"""Documents of instances as a whole: export and import, checks, publishing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from dashboard.api import serializers as shapes
from dashboard.api.base import ApiView
from dashboard.api.bodies import Document, Json
from dashboard.api.entries import IF_MATCH, SECRETS, SecretView, is_asked
from dashboard.api.problems import ApiProblem
from dashboard.api.versions import etag, expected_version, with_etag
from dashboard.engine.diff import without_empty_lists
from dashboard.engine.linting import Finding, PlacedFinding, lint_text
from dashboard.models import Instance, Revision
from dashboard.services.explaining import Question, explain
from dashboard.services.exporting import export_text
from dashboard.services.importing import Preview, import_document, preview
from dashboard.services.linting import lint_instance
from dashboard.services.publishing import discard, export_revision, publish, revision_diff, roll_back

DRY_RUN = OpenApiParameter("dry_run", bool, description="1: say what would change, and change nothing")
COMMENTS = OpenApiParameter("comments", bool, description="1: JSONC with its comments; with `secrets=1` only")
CORE = OpenApiParameter("core", str, description="the core that is to run it, such as xray-26.4.17")
DOCUMENT = {"application/json": OpenApiTypes.OBJECT, "text/plain": OpenApiTypes.STR}


class DocumentViewSet(SecretView, viewsets.GenericViewSet):
    """What is done with an instance as a whole."""

    queryset = Instance.objects.all()
    serializer_class = shapes.PublishSerializer
    lookup_value_converter = "int"
    instance_path = "pk"
    filter_backends = ()
    pagination_class = None
    reads: ClassVar = frozenset({"lint", "explain"})
    needs: ClassVar = {
        "document": ["dashboard.view_instance"], "put_document": ["dashboard.import_instance", "dashboard.change_instance"],
        "lint": ["dashboard.view_instance"], "explain": ["dashboard.view_instance"],
        "publish": ["dashboard.publish_instance"], "rollback": ["dashboard.publish_instance"],
        "discard": ["dashboard.publish_instance", "dashboard.change_instance"],
        "revisions": ["dashboard.view_revision"],
    }

    def get_queryset(self) -> QuerySet:
        return self.limited(Instance.objects.all(), self.request)

    @extend_schema(parameters=[SECRETS, COMMENTS], responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def document(self, request: Request, pk: int = 0) -> HttpResponse:
        """The document of what is enabled, secrets masked unless asked for."""
        instance = self.get_object()
        secrets = self.wants_secrets()
        text = export_text(instance, by=request.user, masked=not secrets, comments=is_asked(request, "comments"))
        return _document(text, instance.version)

    @extend_schema(parameters=[DRY_RUN, IF_MATCH], request=DOCUMENT, responses={200: shapes.PreviewSerializer})
    @document.mapping.put
    def put_document(self, request: Request, pk: int = 0) -> Response:
        """The instance holds exactly this document then; JSON, or JSONC as text/plain."""
        instance = self.get_object()
        text = str(request.data)
        wanted = expected_version(request)
        if is_asked(request, "dry_run"):
            return with_etag(Response(_preview(preview(text, instance))), instance.version)
        done = import_document(instance, text, by=request.user, expected_version=wanted)
        return with_etag(Response(_preview(done)), done.version or 0)

    @extend_schema(request=shapes.LintSerializer, responses={200: shapes.FindingSerializer(many=True)})
    @action(detail=True, methods=["post"])
    def lint(self, request: Request, pk: int = 0) -> Response:
        """What will not work, was probably not meant, or is not safe."""
        instance = self.get_object()
        asked = _read(shapes.LintSerializer, request)
        return Response([_placed(one) for one in _of_core(lambda: lint_instance(instance, asked["core"]))])

    @extend_schema(request=shapes.QuestionSerializer, responses={200: shapes.ExplanationSerializer})
    @action(detail=True, methods=["post"])
    def explain(self, request: Request, pk: int = 0) -> Response:
        """Which rule decides about a connection, and why those before it do not."""
        instance = self.get_object()
        asked = _read(shapes.QuestionSerializer, request)
        question = Question(**{**asked, "resolved": tuple(asked["resolved"])})
        return Response(asdict(explain(instance, question)))

    @extend_schema(request=shapes.PublishSerializer, responses={201: shapes.RevisionSerializer})
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: int = 0) -> Response:
        """Make a revision of what the instance holds. Errors stop it; warnings have to be accepted."""
        instance = self.get_object()
        asked = _read(shapes.PublishSerializer, request)
        made = publish(instance, by=request.user, expected_version=expected_version(request), **asked)
        return Response(shapes.RevisionSerializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=shapes.RollBackSerializer, responses={201: shapes.RevisionSerializer})
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: int = 0) -> Response:
        """Make the entries equal to those of an old revision, and publish that as a new one."""
        instance = self.get_object()
        asked = _read(shapes.RollBackSerializer, request)
        number = asked.pop("number")
        revision = Revision.objects.filter(instance=instance, number=number).first()
        if revision is None:
            raise ApiProblem(400, "invalid", "There is no such revision.", [("number", "there is no such revision")])
        made = roll_back(instance, revision, by=request.user, expected_version=expected_version(request), **asked)
        return Response(shapes.RevisionSerializer(made).data, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={200: shapes.PreviewSerializer})
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: int = 0) -> Response:
        """Go back to the newest revision."""
        done = discard(self.get_object(), by=request.user, expected_version=expected_version(request))
        return Response(_preview(done))

    @extend_schema(responses={200: shapes.RevisionSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=api_settings.DEFAULT_PAGINATION_CLASS)
    def revisions(self, request: Request, pk: int = 0) -> Response:
        """The newest first."""
        page = self.paginate_queryset(Revision.objects.filter(instance=self.get_object()).defer("document"))
        return self.get_paginated_response(shapes.RevisionSerializer(page, many=True).data)

    def get_parsers(self) -> list[Any]:
        return [Document()] if (self.request and self.request.method == "PUT") else [Json()]


class RevisionViewSet(SecretView, viewsets.ReadOnlyModelViewSet):
    """What was published; nothing of it ever changes."""

    queryset = Revision.objects.defer("document")
    serializer_class = shapes.RevisionSerializer
    lookup_value_converter = "int"
    filterset_fields: ClassVar = ["instance", "number"]
    ordering_fields: ClassVar = ["number", "created_at"]
    search_fields: ClassVar = ["comment", "author_name"]

    def get_queryset(self) -> QuerySet:
        rows = super().get_queryset()
        return rows if getattr(self, "swagger_fake_view", False) else self.limited(rows, self.request)

    @extend_schema(parameters=[SECRETS], responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def document(self, request: Request, pk: int = 0) -> HttpResponse:
        return _document(export_revision(self.get_object(), by=request.user, masked=not self.wants_secrets()))

    @extend_schema(
        parameters=[OpenApiParameter("to", int, description="another revision's id; absent: the one before")],
        responses={200: shapes.ChangeSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def diff(self, request: Request, pk: int = 0) -> Response:
        """What it changed."""
        revision = self.get_object()
        text = request.query_params.get("to", "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 18):
            raise ApiProblem(400, "invalid", "`to` is the id of a revision.", [("to", "a number is expected")])
        other = get_object_or_404(self.get_queryset(), pk=int(text), instance=revision.instance_id) if text else None
        return Response([change.as_json() for change in revision_diff(revision, other)])


class LintView(ApiView):
    """Any document, kept nowhere."""

    needs: ClassVar = {"*": ["dashboard.view_instance"]}
    reads: ClassVar = frozenset({"*"})
    parser_classes = (Document,)
    is_for_all = True

    @extend_schema(parameters=[CORE], request=DOCUMENT, responses={200: shapes.FindingSerializer(many=True)})
    def post(self, request: Request) -> Response:
        core = request.query_params.get("core", "")
        return Response([as_finding(one) for one in _of_core(lambda: lint_text(str(request.data), "document", core))])


def _of_core(lint: Any) -> Iterable[Any]:
    try:
        found: Iterable[Any] = lint()
    except ValueError as error:
        raise ApiProblem(400, "invalid", str(error), [("core", str(error))]) from None
    return found


def _read(serializer: Any, request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _document(text: str, version: int | None = None) -> HttpResponse:
    answer = HttpResponse(text, content_type="application/json")
    answer["Cache-Control"] = "no-store"
    if version is not None:
        answer["ETag"] = etag(version)
    return answer


def _preview(one: Preview) -> dict[str, Any]:
    return {
        "version": one.version, "changes": [change.as_json() for change in without_empty_lists(one.changes)],
        "kept": [problem.render() for problem in one.kept], "port_conflicts": [conflict.text for conflict in one.port_conflicts],
        "problems": [problem.render() for problem in one.problems],
        "findings": [as_finding(finding) for finding in one.findings],
    }


def as_finding(one: Finding, model: str = "", pk: int | None = None) -> dict[str, Any]:
    return {
        "code": one.code.id, "severity": one.severity, "path": one.path, "line": one.line, "column": one.column,
        "message": one.message, "fix": one.fix, "model": model, "id": pk,
    }


def _placed(one: PlacedFinding) -> dict[str, Any]:
    if one.client_pk is not None:
        return as_finding(one.finding, "credential", one.client_pk)
    return as_finding(one.finding, str(one.kind or ""), one.pk)
