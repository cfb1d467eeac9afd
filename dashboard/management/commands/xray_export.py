"""Writes the document of an instance to standard output."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from dashboard.engine.compile import CannotCompile
from dashboard.management import told
from dashboard.services.exporting import export_text
from dashboard.services.publishing import export_revision
from proxycore.api import render_path


class Command(BaseCommand):
    help = "Export an instance as an Xray document, secrets masked unless --secrets is given (which is written to the audit log)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="of the instance")
        parser.add_argument("--secrets", action="store_true", help="with ids, passwords and keys, without which it cannot run")
        parser.add_argument("--revision", type=int, metavar="N", help="what was published as revision N, not what is there now")
        parser.add_argument("--comments", action="store_true", help="with its comments (needs --secrets: comments may hold some)")

    def handle(
        self, *args: object, name: str, secrets: bool, revision: int | None, comments: bool, **options: object
    ) -> None:
        instance = told.instance_named(name)
        if comments and not secrets:
            raise CommandError("--comments needs --secrets: nobody knows what comments hold, so a masked document has none")
        if comments and revision is not None:
            raise CommandError("a revision has no comments: leave out --comments or --revision")
        if revision is not None:
            text = export_revision(told.revision_numbered(instance, revision), by=None, masked=not secrets)
        else:
            try:
                text = export_text(instance, by=None, masked=not secrets, comments=comments)
            except CannotCompile as error:
                raise CommandError(f"{name} cannot be put together: {render_path(error.path)} {error}") from None
        self.stdout.write(text, ending="")
