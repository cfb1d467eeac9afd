"""Makes an instance hold what a document says."""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.engine.parse import UnreadableDocument
from dashboard.management import told
from dashboard.models import Instance, Node
from dashboard.services.errors import ServiceError
from dashboard.services.importing import Preview, import_document, import_new, preview
from dashboard.services.instances import local_node


class Command(BaseCommand):
    help = (
        "Import an Xray document: an instance of that name is made, or made to hold exactly what the document says. Nothing "
        "is published.\n\nExit status: 0 imported (or could be), 1 refused, 23 the document cannot be read."
    )
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the document, JSON with comments; - is standard input")
        parser.add_argument("--name", default="", help="of the instance (default: the file's name without its ending)")
        parser.add_argument("--node", default="", help="that a new instance runs on (default: this host)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would change and what the linter finds")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is said (default: %(default)s)")

    def handle(self, *args: object, file: str, name: str, node: str, dry_run: bool, format: str, **options: object) -> None:
        name = name or ("" if file == told.STDIN else Path(file).stem)
        if not name:
            raise CommandError("the document comes from standard input, so --name has to say which instance is meant")
        text = told.read_file(file)
        shown_file = "<stdin>" if file == told.STDIN else file
        instance = Instance.objects.filter(name=name).first()
        if instance is not None and node and node != instance.node.name:
            raise CommandError(f"{name} is there already, on the node {instance.node}; --node is for new instances")
        where = _node(node)
        try:
            seen = preview(text, instance, node=where, file=shown_file)
            if dry_run:
                done = "would change" if instance is not None else "would be made"
            elif instance is not None:
                import_document(instance, text, by=None, expected_version=seen.version, file=shown_file)
                done = "changed" if seen.changes else "is as it was"
            else:
                import_new(text, name=name, node=where, by=None, file=shown_file)
                done = "was made"
        except UnreadableDocument as error:
            raise told.unreadable(error) from None
        except ServiceError as error:
            raise CommandError(f"nothing was imported: {error.message}") from None
        if format == "json":
            self.stdout.write(json.dumps(_as_json(name, seen, is_new=instance is None, is_dry=dry_run), indent=2))
        else:
            self.stdout.write("\n".join(_as_text(name, done, seen, is_dry=dry_run)))


def _node(name: str) -> Node:
    if not name:
        return local_node()
    found = Node.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"there is no node {name}; there are: {', '.join(Node.objects.values_list('name', flat=True))}")
    return found


def _as_text(name: str, done: str, seen: Preview, *, is_dry: bool) -> list[str]:
    lines = [f"{name} {done}:", *told.change_lines(seen.changes)]
    said = told.finding_lines([*seen.kept, *seen.problems], seen.findings)
    said += [f"  {conflict.text}" for conflict in seen.port_conflicts]
    if said:
        lines += ["What is to be said about the document:", *said]
    if not seen.can_run:
        lines.append("It can be kept and edited, but not run as it is: the errors above stand against that.")
    elif not is_dry and seen.changes:
        lines.append(f"Nothing runs it yet: `manage.py publish {name}` publishes it.")
    return lines


def _as_json(name: str, seen: Preview, *, is_new: bool, is_dry: bool) -> dict[str, object]:
    return {
        "instance": name,
        "is_new": is_new,
        "is_dry_run": is_dry,
        "changes": told.changes_as_json(seen.changes),
        "kept": told.problems_as_json(seen.kept),
        "problems": told.problems_as_json(seen.problems),
        "findings": told.findings_as_json(seen.findings),
        "port_conflicts": [conflict.text for conflict in seen.port_conflicts],
    }
