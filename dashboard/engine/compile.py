"""Entries -> document: what `parse` took apart, put together again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dashboard.engine.content import LIST_PATHS, Body, Content, Entry, client_place, new_client_key, spelling
from proxycore.api import Comment, Loc, write_jsonc


class CannotCompile(ValueError):
    """The rest holds something else where entries belong. `path` is that place."""

    def __init__(self, path: Loc, reason: str) -> None:
        self.path = path
        super().__init__(reason)


def compile_document(content: Content) -> Body:
    """The document. What is not enabled is left out; `content` is not changed, but parts of it are in the result.

    Raises: CannotCompile.
    """
    return _compile(content, [])


def compile_with_comments(content: Content) -> str:
    """The document as text with its comments. Raises CannotCompile."""
    comments: list[Comment] = []
    document = _compile(content, comments)
    return write_jsonc(document, comments)


def whole_entry(entry: Entry) -> Body:
    """An inbound with its clients in their place; any other entry as it is."""
    return _whole(entry, (), [])


def _compile(content: Content, comments: list[Comment]) -> Body:
    document = dict(content.rest)
    comments += content.comments
    copied: dict[Loc, Body] = {(): document}
    for kind, path in LIST_PATHS.items():
        entries = [entry for entry in content.entries[kind] if entry.enabled]
        if entries:
            _put(document, copied, path, entries, comments)
    return document


def _put(document: Body, copied: dict[Loc, Body], path: tuple[str, ...], entries: list[Entry], comments: list[Comment]) -> None:
    """Fill the list at `path`. Objects on the way are copied once, so that the rest stays as it is."""
    holder: Body = document
    place: Loc = ()
    for name in path[:-1]:
        key = spelling(holder, name) or name
        inner = holder.get(key)
        place = (*place, key)
        if inner is not None and not isinstance(inner, dict):
            raise CannotCompile(place, "is not an object, so it has no place for entries")
        if place not in copied:
            copied[place] = dict(inner or {})
        holder[key] = copied[place]
        holder = copied[place]
    key = spelling(holder, path[-1]) or path[-1]
    place = (*place, key)
    before = holder.get(key)
    if before is not None and not isinstance(before, list):
        raise CannotCompile(place, "is not a list, so it has no place for entries")
    values: list[Any] = list(before or [])
    for entry in entries:
        values.append(_whole(entry, (*place, len(values)), comments))
    holder[key] = values


def _whole(entry: Entry, place: Loc, comments: list[Comment]) -> Body:
    comments += _moved(entry.comments, place)
    clients = [client for client in entry.clients if client.enabled]
    if not clients:
        return entry.body
    body = dict(entry.body)
    at = client_place(body)
    settings_key = str(at[0]) if at is not None else spelling(body, "settings") or "settings"
    settings = body.get(settings_key)
    if settings is not None and not isinstance(settings, dict):
        raise CannotCompile((*place, settings_key), "is not an object, so it has no place for clients")
    settings = dict(settings or {})
    key = str(at[1]) if at is not None else new_client_key(body)
    before = settings.get(key)
    if before is not None and not isinstance(before, list):
        raise CannotCompile((*place, settings_key, key), "is not a list, so it has no place for clients")
    settings[key] = list(before or []) + [client.body for client in clients]
    body[settings_key] = settings
    for number, client in enumerate(clients, len(before or [])):
        comments += _moved(client.comments, (*place, settings_key, key, number))
    return body


def _moved(comments: Iterable[Comment], place: Loc) -> list[Comment]:
    return [comment._replace(loc=(*place, *comment.loc)) for comment in comments]
