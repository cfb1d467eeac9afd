"""Rows as entries and back, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, cast

from django.db import connection
from django.db.models import Model, QuerySet
from django.utils import timezone

from dashboard.engine.columns import COLUMNS, credential_columns
from dashboard.engine.content import Content, Entry, Kind
from dashboard.engine.garbage import uncollected
from dashboard.keys import keyring
from dashboard.models import Balancer, Bridge, Credential, Inbound, Instance, Outbound, Portal, RoutingRule
from dashboard.models import Entry as EntryModel
from dashboard.models.jsontext import read_comments, read_object, write_comments, write_json
from proxycore.api import Comment

MODELS: Final[dict[Kind, type[EntryModel]]] = {
    Kind.INBOUND: Inbound,
    Kind.OUTBOUND: Outbound,
    Kind.PORTAL: Portal,
    Kind.BRIDGE: Bridge,
    Kind.RULE: RoutingRule,
    Kind.BALANCER: Balancer,
}

BATCH_ROWS: Final = 1000
"""Rows in one statement. Django splits further where a database takes fewer parameters."""

MANY_ROWS: Final = 500

Clients = Literal["enabled", "usable"]
"""Which clients count as enabled: all that are not switched off, or only those that may still be used now."""


def kind_of(row: EntryModel) -> Kind:
    return next(kind for kind, model in MODELS.items() if isinstance(row, model))


@uncollected()
def load_content(instance: Instance, clients: Clients = "enabled") -> Content:
    """All of an instance, 7 queries. Entries that are not enabled are in it, and say so."""
    content = Content(instance.rest_document, read_stored_comments(instance.comments))
    for kind in Kind:
        content.entries[kind] = load_entries(kind, instance.pk)
    _add_clients(content.entries[Kind.INBOUND], Credential.objects.filter(inbound__instance=instance), clients)
    return content


def load_contents(instances: Sequence[int]) -> dict[int, Content]:
    """Those of many instances at once, by their ids, without comments: 8 queries per BATCH_ROWS of them."""
    contents: dict[int, Content] = {}
    for start in range(0, len(instances), BATCH_ROWS):
        pks = list(instances[start : start + BATCH_ROWS])
        for pk, rest in Instance.objects.filter(pk__in=pks).values_list("pk", "rest"):
            contents[pk] = Content(read_object(rest))
        for kind, model in MODELS.items():
            rows = cast(Any, model).objects.filter(instance__in=pks).order_by("position", "id")
            for pk, instance, enabled, body in rows.values_list("pk", "instance_id", "enabled", "body"):
                if instance in contents:
                    contents[instance].entries[kind].append(Entry(read_object(body), enabled=enabled, pk=pk))
        inbounds = [entry for content in contents.values() for entry in content.entries[Kind.INBOUND]]
        if inbounds:
            _add_clients(inbounds, Credential.objects.filter(inbound__instance__in=pks), "enabled")
    return contents


def load_entries(kind: Kind, instance_id: int) -> list[Entry]:
    """The entries of one list, in order, inbounds without their clients."""
    model: Any = MODELS[kind]
    rows = model.objects.filter(instance_id=instance_id).order_by("position", "id")
    return [
        Entry(read_object(body), read_stored_comments(comments), enabled=enabled, pk=pk, position=position)
        for pk, position, enabled, body, comments in rows.values_list("pk", "position", "enabled", "body", "comments")
    ]


def load_clients(inbound: Inbound, clients: Clients = "enabled") -> list[Entry]:
    """The clients of one inbound, in order."""
    entry = Entry({}, pk=inbound.pk)
    _add_clients([entry], Credential.objects.filter(inbound=inbound), clients)
    return entry.clients


def _add_clients(inbounds: Iterable[Entry], rows: QuerySet[Credential], clients: Clients) -> None:
    by_pk = {inbound.pk: inbound for inbound in inbounds}
    now = timezone.now()
    found = rows.order_by("position", "id").values_list(
        "pk", "inbound_id", "position", "enabled", "body", "comments", "expires_at", "data_limit_bytes", "used_bytes"
    )
    for pk, inbound_id, position, enabled, body, comments, expires_at, limit, used in found:
        if clients == "usable":
            enabled = enabled and (expires_at is None or expires_at > now) and (limit is None or used < limit)
        client = Entry(read_object(body), read_stored_comments(comments), enabled=enabled, pk=pk, position=position)
        by_pk[inbound_id].clients.append(client)


def read_stored_comments(text: str) -> list[Comment]:
    return [Comment(path, place, comment) for path, place, comment in read_comments(text)] if text else []  # type: ignore[arg-type]


def entry_columns(kind: Kind, entry: Entry) -> dict[str, Any]:
    """Every column that is written together with the body."""
    return {"body": write_json(entry.body), "comments": write_comments(entry.comments), **COLUMNS[kind](entry.body)}


def client_columns(entry: Entry) -> dict[str, Any]:
    return {
        "body": write_json(entry.body),
        "comments": write_comments(entry.comments),
        **credential_columns(entry.body, keyring().keyed_hash),
    }


def delete_rows(model: type[Model], pks: Sequence[int]) -> None:
    """In statements that name no more rows than every database takes parameters."""
    for start in range(0, len(pks), BATCH_ROWS):
        model._default_manager.filter(pk__in=pks[start : start + BATCH_ROWS]).delete()


def tell_planner(rows: int) -> None:
    """After so many rows of entries were written: PostgreSQL finds out by itself only minutes later, and joins tables until
    then as if they were empty, which takes seconds instead of milliseconds."""
    if rows < MANY_ROWS or connection.vendor != "postgresql":
        return
    models: list[type[Model]] = [*MODELS.values(), Credential]
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")


def update_rows(model: type[Model], rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Set columns of many rows, each to its own values; the same columns in each. (id, values by field name)

    One prepared statement for all: Django's bulk_update takes minutes for what this does in a second.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    fields = [model._meta.get_field(name) for name in (*rows[0][1], "updated_at")]
    assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)  # type: ignore[union-attr, arg-type]
    key = model._meta.pk
    assert key is not None
    statement = f"UPDATE {quote(model._meta.db_table)} SET {assignments} WHERE {quote(key.column or '')} = %s"
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.executemany(
            statement,
            [
                [
                    *(
                        field.get_db_prep_save(value, connection)  # type: ignore[union-attr]
                        for field, value in zip(fields, (*values.values(), now), strict=True)
                    ),
                    pk,
                ]
                for pk, values in rows
            ],
        )
