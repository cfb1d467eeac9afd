"""Says of a revision on probation that it may stay."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from dashboard.management import told
from dashboard.services.errors import ServiceError
from dashboard.services.running import confirm


class Command(BaseCommand):
    help = "Confirm the revision of an instance that was published with --needs-confirm. Exit status: 0 done, 1 none waits."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="of the instance")
        parser.add_argument("--revision", type=int, metavar="N", help="only if it is this one that waits")

    def handle(self, *args: object, name: str, revision: int | None, **options: object) -> None:
        try:
            number = confirm(told.instance_named(name), by=None, number=revision)
        except ServiceError as error:
            raise CommandError(f"{name}: {error.message}") from None
        self.stdout.write(f"Revision {number} of {name} may stay.")
