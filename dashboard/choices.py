"""Every choice that a column has."""

from __future__ import annotations

from django.db import models


class Role(models.TextChoices):
    """What an instance is in its tunnels; derived from its entries."""

    NONE = "none", "no tunnel"
    PORTAL = "portal", "portal"
    BRIDGE = "bridge", "bridge"
    BOTH = "both", "portal and bridge"


class ResetPeriod(models.TextChoices):
    """When the data that a credential has used starts from zero again."""

    NEVER = "never", "never"
    DAILY = "daily", "every day"
    WEEKLY = "weekly", "every week"
    MONTHLY = "monthly", "every month"


class TrafficKind(models.TextChoices):
    """What bytes are counted for."""

    INBOUND = "inbound", "inbound"
    OUTBOUND = "outbound", "outbound"
    TUNNEL = "tunnel", "tunnel"
    USER = "user", "client"


class ReceiverKind(models.TextChoices):
    """How somebody is told."""

    WEBHOOK = "webhook", "webhook"
    EMAIL = "email", "e-mail"


class ConditionKind(models.TextChoices):
    """What can be wrong for a while."""

    TUNNEL_DOWN = "tunnel_down", "tunnel down"
    NODE_DOWN = "node_down", "node gone"
    CRASH_LOOP = "crash_loop", "crash loop"
    CERTIFICATE_EXPIRING = "certificate_expiring", "certificate expires"
    CREDENTIAL_EXPIRING = "credential_expiring", "client expires"


class TokenScope(models.TextChoices):
    """What an API token may do; each one may do what the one before it may."""

    READ = "read", "read"
    OPERATE = "operate", "edit and publish"
    ADMIN = "admin", "everything"


class Standing(models.TextChoices):
    """What the panel lets a node do. Who is refused is told why when it connects: it has proven who it is."""

    NEW = "new", "no agent yet"
    WAITING = "waiting", "waits for approval"
    APPROVED = "approved", "approved"
    PAUSED = "paused", "paused"
    REVOKED = "revoked", "revoked"


class Verb(models.TextChoices):
    """What was done, in the audit log."""

    CREATED = "created", "created"
    CHANGED = "changed", "changed"
    DELETED = "deleted", "deleted"
    ENABLED = "enabled", "enabled"
    DISABLED = "disabled", "disabled"
    REORDERED = "reordered", "reordered"
    IMPORTED = "imported", "imported"
    EXPORTED = "exported", "exported with secrets"
    PUBLISHED = "published", "published"
    ROLLED_BACK = "rolled back", "rolled back"
    DISCARDED = "discarded", "discarded unpublished changes"
    REVEALED = "revealed", "revealed a secret"
    LOGGED_IN = "logged in", "logged in"
    LOGGED_OUT = "logged out", "logged out"
    REFUSED = "refused", "was refused"
    JOINED = "joined", "joined"
    APPROVED = "approved", "approved"
    PAUSED = "paused", "paused"
    RESUMED = "resumed", "resumed"
    REVOKED = "revoked", "revoked"
    CONFIRMED = "confirmed", "confirmed"
    REVERTED = "reverted", "took back"
    CLOSED = "closed", "closed sessions"
    BLOCKED = "blocked", "blocked a source"
    UNBLOCKED = "unblocked", "unblocked a source"
    RESTARTED = "restarted", "restarted"
