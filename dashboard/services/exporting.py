"""Documents of instances."""

from __future__ import annotations

import json

from dashboard.choices import Verb
from dashboard.engine.compile import compile_document, compile_with_comments
from dashboard.engine.content import Body
from dashboard.engine.secrets import mask_entry
from dashboard.models import Instance
from dashboard.services.auditing import Actor, record
from dashboard.services.storing import Clients, load_content

INDENT = 2


def export_document(instance: Instance, *, masked: bool = True, clients: Clients = "enabled") -> Body:
    """The document of what is enabled. `clients` "usable" leaves out those that are expired or used up, too.

    Raises: CannotCompile.
    """
    document = compile_document(load_content(instance, clients))
    return mask_entry(document) if masked else document


def export_text(
    instance: Instance, *, by: Actor, masked: bool = True, comments: bool = False, clients: Clients = "enabled"
) -> str:
    """The document as indented JSON, ending with a line break; with `comments` as JSONC.

    One with secrets is written down in the audit log. A masked one has no comments, which may hold anything.
    Raises: CannotCompile.
    """
    if not masked:
        record(by, Verb.EXPORTED, instance, instance=instance)
    if comments and not masked:
        return compile_with_comments(load_content(instance, clients))
    return as_text(export_document(instance, masked=masked, clients=clients))


def as_text(document: Body) -> str:
    return json.dumps(document, ensure_ascii=False, indent=INDENT) + "\n"
