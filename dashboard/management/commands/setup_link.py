"""Prints the link with which the first administrator is made."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from dashboard.accounts import setup_link


class Command(BaseCommand):
    help = "Print a link, good for a day and for one use, that makes the first administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--base-url", default="http://127.0.0.1:8000", help="the address of the panel (default: %(default)s)")

    def handle(self, *args: object, base_url: str, **options: object) -> None:
        if not setup_link.is_needed():
            raise CommandError("There is an administrator already. `manage.py changepassword NAME` sets a forgotten password.")
        self.stdout.write(base_url.rstrip("/") + setup_link.make_path())
