"""Instances and what belongs to none. Nodes: nodes.py."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dashboard.api.authentication import token_of
from dashboard.api.base import ApiView, is_limited
from dashboard.api.permissions import OfToken, may_see_secrets
from dashboard.api.problems import ApiProblem
from dashboard.api.serializers import (
    AuditSerializer,
    CertificateSerializer,
    CloneInstanceSerializer,
    InstanceSerializer,
    SwitchedSerializer,
    SwitchSerializer,
    TokenSerializer,
)
from dashboard.api.versions import expected_version, with_etag
from dashboard.choices import TokenScope
from dashboard.models import ApiToken, AuditEntry, Certificate, Instance
from dashboard.services.certificates import change_certificate, create_certificate, delete_certificate
from dashboard.services.cloning import clone_instance
from dashboard.services.instances import change_instance, create_instance, delete_instance
from dashboard.services.publishing import is_published
from dashboard.services.tokens import create_token, revoke_token

METHODS = ["get", "post", "patch", "delete", "head", "options"]


def rows_to_switch(request: Request, rows: QuerySet) -> tuple[list[Any], bool]:
    """What a SwitchSerializer says. Raises ApiProblem: one of them is not there."""
    asked = SwitchSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    wanted = set(asked.validated_data["ids"])
    found = list(rows.filter(pk__in=wanted).order_by("pk"))
    missing = sorted(wanted - {row.pk for row in found})
    if missing:
        raise ApiProblem(404, "not_found", f"There is no {missing[0]}; nothing was changed.", [("ids", f"no {missing[0]}")])
    return found, asked.validated_data["enabled"]


class InstanceViewSet(OfToken, ApiView, viewsets.ModelViewSet):
    """Documents, each run by one worker. Their entries have addresses of their own."""

    queryset = Instance.objects.all()
    serializer_class = InstanceSerializer
    http_method_names = METHODS
    lookup_value_converter = "int"
    is_for_all = True
    instance_path = "pk"
    changes: ClassVar = frozenset({"switch"})
    needs: ClassVar = {"clone": ["dashboard.add_instance", "dashboard.change_instance"]}
    filterset_fields: ClassVar = ["name", "node", "enabled"]
    search_fields: ClassVar = ["name", "note", "node__name"]
    ordering_fields: ClassVar = ["name", "created_at", "updated_at"]

    def get_queryset(self) -> QuerySet:
        rows = Instance.objects.with_role().with_published().defer("rest", "comments")
        return self.limited(rows, self.request)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        instance = self.get_object()
        if instance.may_be_unpublished and is_published(instance):      # which notes it
            instance = self.get_object()
        return with_etag(Response(self.get_serializer(instance).data), instance.version)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if is_limited(request):
            self.permission_denied(request, "This token is for some instances only.")
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        made = create_instance(name=given["name"], node=given["node"], note=given.get("note", ""), by=request.user)
        more = {name: given[name] for name in ("enabled", "memory_limit_mib", "descriptor_limit") if name in given}
        if more:
            made = change_instance(made, by=request.user, **more)
        return self._answer(made.pk, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        instance = self.get_object()
        serializer = self.get_serializer(instance, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        change_instance(instance, by=request.user, expected_version=expected_version(request), **serializer.validated_data)
        return self._answer(instance.pk)

    def perform_destroy(self, instance: Instance) -> None:
        wanted = expected_version(self.request)
        if wanted is not None and wanted != instance.version:
            raise ApiProblem(412, "version_conflict", f"It is at version {instance.version}, not {wanted}.")
        delete_instance(instance, by=self.request.user)

    @extend_schema(request=CloneInstanceSerializer, responses={201: InstanceSerializer})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: int = 0) -> Response:
        """A copy with everything that it holds. It is off, as both want the same ports."""
        if is_limited(request):
            self.permission_denied(request, "This token is for some instances only.")
        instance = self.get_object()
        asked = CloneInstanceSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        return self._answer(
            clone_instance(instance, name=given["name"], node=given["node"], by=request.user).pk, status.HTTP_201_CREATED)

    @extend_schema(request=SwitchSerializer, responses={200: SwitchedSerializer})
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=())
    def switch(self, request: Request) -> Response:
        """Switch many on or off: all or none."""
        found, enabled = rows_to_switch(request, self.get_queryset())
        rows = [row for row in found if row.enabled != enabled]
        with transaction.atomic():
            for row in rows:
                change_instance(row, by=request.user, enabled=enabled)
        return Response({"changed": len(rows)})

    def _answer(self, pk: int, status_code: int = 200) -> Response:
        instance = Instance.objects.with_role().with_published().get(pk=pk)
        return with_etag(Response(self.get_serializer(instance).data, status_code), instance.version)


class CertificateViewSet(ApiView, viewsets.ModelViewSet):
    """Certificates. Their keys go in, and never come out."""

    queryset = Certificate.objects.defer("key_pem")
    serializer_class = CertificateSerializer
    http_method_names = METHODS
    lookup_value_converter = "int"
    filterset_fields: ClassVar = ["name", "fingerprint_sha256"]
    search_fields: ClassVar = ["name", "names", "subject"]
    ordering_fields: ClassVar = ["name", "not_after"]

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = create_certificate(by=self.request.user, **serializer.validated_data)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = change_certificate(serializer.instance, by=self.request.user, **serializer.validated_data)

    def perform_destroy(self, instance: Certificate) -> None:
        delete_certificate(instance, by=self.request.user)


class TokenViewSet(
    ApiView, mixins.CreateModelMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin,
    viewsets.GenericViewSet,
):
    """One's own API tokens. Who may change tokens sees everybody's. A token makes none that may do more than itself."""

    queryset = ApiToken.objects.select_related("user").prefetch_related("instances")
    serializer_class = TokenSerializer
    lookup_value_converter = "int"
    filterset_fields: ClassVar = ["name", "scope"]
    search_fields: ClassVar = ["name", "prefix"]
    ordering_fields: ClassVar = ["name", "created_at", "last_used_at"]

    def get_queryset(self) -> QuerySet:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False) or self.request.user.has_perm("dashboard.change_apitoken"):
            return rows
        return rows.filter(user=self.request.user)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        own = token_of(request)
        if own is not None and own.scope != TokenScope.ADMIN:
            self.permission_denied(request, "Tokens are made by people, or by tokens with the scope admin.")
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        if own is not None and given.get("may_read_secrets") and not own.may_read_secrets:
            self.permission_denied(request, "A token makes none that may do more than itself.")
        if own is None and given.get("may_read_secrets") and not may_see_secrets(request):
            raise ApiProblem(403, "secrets_refused", "Give your password first: a token outlives a session.")
        if own is not None and own.expires_at and (not given.get("expires_at") or given["expires_at"] > own.expires_at):
            self.permission_denied(request, "A token makes none that lives longer than itself.")
        token, text = create_token(request.user, by=request.user, **given)  # type: ignore[arg-type]
        token.token = text  # type: ignore[attr-defined]
        answer = Response(self.get_serializer(token).data, status.HTTP_201_CREATED)
        answer["Cache-Control"] = "no-store"
        return answer

    @extend_schema(description="It works no more; its row stays, for the audit log.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: ApiToken) -> None:
        own = token_of(self.request)
        if own is not None and own.scope != TokenScope.ADMIN and own.pk != instance.pk:
            self.permission_denied(self.request, "Other tokens are revoked by people, or by tokens with the scope admin.")
        revoke_token(instance, by=self.request.user)


class AuditViewSet(OfToken, ApiView, viewsets.ReadOnlyModelViewSet):
    """Who did what."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditSerializer
    lookup_value_converter = "int"
    is_for_all = True
    filterset_fields: ClassVar = ["verb", "object_type", "object_id", "instance", "actor_name"]
    search_fields: ClassVar = ["actor_name", "object_name", "note"]
    ordering_fields: ClassVar = ["at"]

    def get_queryset(self) -> QuerySet:
        return self.limited(super().get_queryset(), self.request)
