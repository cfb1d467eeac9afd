"""Rows as JSON. What is secret is masked unless the view says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dashboard.choices import ResetPeriod, TokenScope
from dashboard.engine.secrets import mask_entry
from dashboard.models import (
    ApiToken,
    AuditEntry,
    Balancer,
    Bridge,
    Certificate,
    Credential,
    Inbound,
    Instance,
    Node,
    Outbound,
    Portal,
    Revision,
    RoutingRule,
)

MAX_MANY = 1000             # rows of one request


def _within_reach(field: Any, context: Mapping[str, Any], path: str) -> None:
    """What a limited token is not for is not there, for what it sends neither."""
    limited, request = getattr(context.get("view"), "limited", None), context.get("request")
    if limited is not None and request is not None:
        field.queryset = limited(field.queryset, request, path)


@extend_schema_field(OpenApiTypes.OBJECT)
class BodyField(serializers.JSONField):
    """The JSON entry, keys in order; masked unless `secrets` is in the context."""

    def get_attribute(self, instance: Any) -> Any:
        return instance.entry

    def to_representation(self, value: Any) -> Any:
        return value if self.context.get("secrets") else mask_entry(value)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("an object is expected: { ... }")
        return data


SAID_BY_AGENTS = (
    "state", "is_up", "connected_at", "last_seen_at", "last_seen_from", "version", "host", "system", "clock_skew_s", "joined_at",
    "joined_from", "twice_at", "twice_note")
"""Columns of nodes that nobody types."""


class NodeSerializer(serializers.ModelSerializer):
    class Meta:
        model = Node
        fields = ("id", "name", "address", "is_local", "note", *SAID_BY_AGENTS, "created_at", "updated_at")
        read_only_fields = ("is_local", *SAID_BY_AGENTS)

    def update(self, instance: Node, validated_data: dict[str, Any]) -> Node:
        """What its connection writes, and whether it is let in, may have changed since it was read: that is left alone."""
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save(update_fields=[*validated_data, "updated_at"])
        return instance


class InstanceSerializer(serializers.ModelSerializer):
    """`published_number`: of the newest revision, null if there is none.

    `has_unpublished_changes` is exact for one instance; lists err on the side of true, where a change was taken back.
    """

    def get_fields(self) -> Any:
        fields: Any = super().get_fields()
        token = getattr(self.context.get("request"), "auth", None)
        if isinstance(self.instance, Instance) and isinstance(token, ApiToken) and token.is_limited:
            fields["node"].queryset = Node.objects.filter(pk=self.instance.node_id)     # another host is out of its reach
        return fields

    role = serializers.CharField(read_only=True)
    published_number = serializers.SerializerMethodField()
    has_unpublished_changes = serializers.SerializerMethodField()

    class Meta:
        model = Instance
        fields = ("id", "name", "node", "note", "enabled", "memory_limit_mib", "descriptor_limit", "role", "version",
                  "published_number", "has_unpublished_changes", "created_at", "updated_at")  # fmt: skip
        read_only_fields = ("version",)

    def get_published_number(self, instance: Instance) -> int | None:
        number: int | None = getattr(instance, "published_number", None)
        return number

    def get_has_unpublished_changes(self, instance: Instance) -> bool:
        return getattr(instance, "published_number", None) is None or instance.may_be_unpublished


class EntrySerializer(serializers.ModelSerializer):
    """`body` is the entry; what stands beside it is read from it, but for `enabled`."""

    body = BodyField()
    position = serializers.IntegerField(
        required=False, min_value=0, max_value=1_000_000, help_text="its place from 0; absent: the last")

    def get_fields(self) -> Any:
        fields = super().get_fields()
        if self.instance is not None:
            fields["instance"].read_only = True
            fields["position"].read_only = True
        else:
            _within_reach(fields["instance"], self.context, "pk")
        return fields


_COMMON = ("id", "instance", "position", "enabled")


def _entry_serializer(model: Any, *columns: str) -> type[EntrySerializer]:
    meta = type("Meta", (), {
        "model": model, "fields": (*_COMMON, *columns, "body", "created_at", "updated_at"), "read_only_fields": columns,
        "validators": []})
    return type(f"{model.__name__}Serializer", (EntrySerializer,), {"Meta": meta, "__doc__": EntrySerializer.__doc__})


InboundSerializer = _entry_serializer(Inbound, "tag", "protocol", "listen", "port", "network", "security")
OutboundSerializer = _entry_serializer(
    Outbound, "tag", "protocol", "address", "port", "network", "security", "proxy_tag", "reverse_tag")
PortalSerializer = _entry_serializer(Portal, "tag", "domain")
BridgeSerializer = _entry_serializer(Bridge, "tag", "domain")
RuleSerializer = _entry_serializer(RoutingRule, "rule_tag", "outbound_tag", "balancer_tag")
BalancerSerializer = _entry_serializer(Balancer, "tag", "strategy", "fallback_tag")


class CredentialSerializer(serializers.ModelSerializer):
    """A client of an inbound. Without a `body` a new one gets a fresh id or password."""

    body = BodyField(required=False)
    instance = serializers.IntegerField(source="inbound.instance_id", read_only=True)
    reset_period = serializers.ChoiceField(choices=ResetPeriod.choices, required=False)
    data_limit_bytes = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**62)
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)

    class Meta:
        model = Credential
        fields = ("id", "inbound", "instance", "position", "enabled", "email", "level", "flow", "reverse_tag", "expires_at",
                  "data_limit_bytes", "used_bytes", "reset_period", "period_began_at", "note", "is_usable", "body", "created_at",
                  "updated_at")  # fmt: skip
        read_only_fields = ("position", "email", "level", "flow", "reverse_tag", "used_bytes", "period_began_at")

    is_usable = serializers.BooleanField(read_only=True)

    def get_fields(self) -> Any:
        fields = super().get_fields()
        if self.instance is not None:
            fields["inbound"].read_only = True
        else:
            _within_reach(fields["inbound"], self.context, "instance")
        return fields


class CertificateSerializer(serializers.ModelSerializer):
    """The key goes in, and never comes out."""

    key_pem = serializers.CharField(write_only=True, required=False, allow_blank=True, trim_whitespace=False, max_length=262144)
    chain_pem = serializers.CharField(trim_whitespace=False, max_length=262144)
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)

    class Meta:
        model = Certificate
        fields = ("id", "name", "chain_pem", "key_pem", "subject", "issuer", "names", "fingerprint_sha256", "not_before",
                  "not_after", "note", "created_at", "updated_at")  # fmt: skip
        read_only_fields = ("subject", "issuer", "names", "fingerprint_sha256", "not_before", "not_after")


class TokenSerializer(serializers.ModelSerializer):
    """`token` is its text: it is in the answer that made it, and null for ever after."""

    token = serializers.CharField(read_only=True, allow_null=True, default=None)
    scope = serializers.ChoiceField(choices=TokenScope.choices, required=False)

    class Meta:
        model = ApiToken
        fields = ("id", "name", "user", "prefix", "scope", "may_read_secrets", "is_limited", "instances", "expires_at",
                  "revoked_at", "last_used_at", "last_used_from", "created_at", "token")  # fmt: skip
        read_only_fields = ("user", "prefix", "is_limited", "revoked_at", "last_used_at", "last_used_from")


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class SentencesField(serializers.JSONField):
    pass


class RevisionSerializer(serializers.ModelSerializer):
    summary = SentencesField(read_only=True)

    class Meta:
        model = Revision
        fields = ("id", "instance", "number", "document_sha256", "source_version", "summary", "comment", "author_name",
                  "rolled_back_to", "confirm_s", "needs_confirm", "created_at")  # fmt: skip


class ChangeSerializer(serializers.Serializer):
    kind = serializers.CharField()
    what = serializers.CharField(allow_blank=True)
    name = serializers.CharField(allow_blank=True)
    path = serializers.CharField(allow_blank=True)
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    text = serializers.CharField()


class AuditSerializer(serializers.ModelSerializer):
    changes = ChangeSerializer(many=True, read_only=True)

    class Meta:
        model = AuditEntry
        fields = ("id", "at", "actor_name", "token", "address", "verb", "object_type", "object_id", "object_name", "instance",
                  "changes", "note")  # fmt: skip


class FindingSerializer(serializers.Serializer):
    """What the linter says; `model` and `id` are the row that it is about, if it is one."""

    code = serializers.CharField()
    severity = serializers.CharField()
    path = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField()
    column = serializers.IntegerField()
    message = serializers.CharField()
    fix = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
    id = serializers.IntegerField(allow_null=True)


class PreviewSerializer(serializers.Serializer):
    """What an import did, or would do. `kept`: what is in the document and is not taken apart; `problems`: what keeps it from
    being run as it is, and warnings; `findings`: of the linter. The last two are told before, not by an import."""

    version = serializers.IntegerField(allow_null=True)
    changes = ChangeSerializer(many=True)
    kept = serializers.ListField(child=serializers.CharField())
    port_conflicts = serializers.ListField(child=serializers.CharField())
    problems = serializers.ListField(child=serializers.CharField())
    findings = FindingSerializer(many=True)


class QuestionSerializer(serializers.Serializer):
    host = serializers.CharField(max_length=255, help_text="where the connection goes: a name or an address")
    port = serializers.IntegerField(min_value=1, max_value=65535)
    network = serializers.ChoiceField(choices=["tcp", "udp"], default="tcp")
    inbound_tag = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    source = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")  # type: ignore[assignment]
    source_port = serializers.IntegerField(min_value=0, max_value=65535, required=False, default=0)
    user = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    protocol = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    resolved = serializers.ListField(child=serializers.IPAddressField(), required=False, default=list, max_length=64)


class ExplainedRuleSerializer(serializers.Serializer):
    pk = serializers.IntegerField(allow_null=True)
    number = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    matched = serializers.BooleanField()
    reason = serializers.CharField()


class ExplanationSerializer(serializers.Serializer):
    target = serializers.CharField(allow_null=True)
    why = serializers.CharField()
    rules = ExplainedRuleSerializer(many=True)


class PublishSerializer(serializers.Serializer):
    """`expected_number`: the newest revision that the caller knows, 0 for none; absent: whatever it is."""

    comment = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)
    expected_number = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0, max_value=2**31 - 1)
    accept_warnings = serializers.BooleanField(required=False, default=False)
    confirm_s = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=3600,
        help_text="seconds in which it has to prove itself on its node, else the revision before comes back; 0: final at once")
    needs_confirm = serializers.BooleanField(
        required=False, default=False, help_text="within `confirm_s` somebody has to say that it may stay (`confirm/`)")


class RollBackSerializer(serializers.Serializer):
    number = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    comment = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)
    expected_number = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0, max_value=2**31 - 1)


class LintSerializer(serializers.Serializer):
    core = serializers.CharField(required=False, allow_blank=True, default="", max_length=64, help_text="such as xray-26.4.17")


class MoveSerializer(serializers.Serializer):
    to = serializers.IntegerField(min_value=0, max_value=1_000_000, help_text="the place from 0")


class SwitchSerializer(serializers.Serializer):
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**63 - 1), min_length=1, max_length=MAX_MANY)
    enabled = serializers.BooleanField()


class SwitchedSerializer(serializers.Serializer):
    changed = serializers.IntegerField(help_text="how many were not so before")


class CloneInstanceSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=64)
    node = serializers.PrimaryKeyRelatedField(
        queryset=Node.objects.all(), required=False, allow_null=True, default=None, help_text="absent: that of the original")
