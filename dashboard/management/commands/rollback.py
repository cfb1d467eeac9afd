"""Takes an instance back to what was published earlier."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from dashboard.management import told
from dashboard.services.errors import ServiceError
from dashboard.services.publishing import PublishRefused, preview_going_back, roll_back


class Command(BaseCommand):
    help = (
        "Make an instance hold what revision N says, and publish that as a new revision. What is switched off stays so. "
        "Exit status: 0 done, 1 refused, 23 what revision N says cannot be run any more."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="of the instance")
        parser.add_argument("number", type=int, metavar="N", help="of the revision to go back to")
        parser.add_argument("--comment", default="", help="why, for those who read the list of revisions")
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")

    def handle(self, *args: object, name: str, number: int, comment: str, dry_run: bool, **options: object) -> None:
        instance = told.instance_named(name)
        revision = told.revision_numbered(instance, number)
        try:
            changes = preview_going_back(instance, revision)
            lines = told.change_lines(changes)
            if not dry_run:
                made = roll_back(instance, revision, by=None, comment=comment, expected_version=instance.version)
                lines.append(f"{name} is back at revision {number}, published as revision {made.number}.")
        except PublishRefused as error:
            message = f"{name} stays as it is: with what revision {number} says, {error.message}"
            raise CommandError(message, returncode=told.EXIT_BAD_DOCUMENT) from None
        except ServiceError as error:
            raise CommandError(f"{name} stays as it is: {error.message}") from None
        self.stdout.write("\n".join(["What changes:", *lines]))
