"""Puts back what `backup` wrote."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dashboard.services.backups import restore
from dashboard.services.errors import ServiceError
from xrevsite.serving import lock


class Command(BaseCommand):
    help = (
        "Put the database and keys of FILE in place, then bring the database up to date. The panel must not run. What was there "
        "is kept with .before-restore behind its name (SQLite, keys).")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--replace", action="store_true", help="also where there are accounts or instances already")

    def handle(self, *args: object, file: Path, replace: bool, **options: object) -> None:
        try:
            with lock.holding(Path(settings.VAR_DIR) / "serve", lock.RUNNING):
                about = restore(file, replaces=replace, say=self.stdout.write)
        except lock.Taken:
            raise CommandError(f"The panel runs on {settings.VAR_DIR}: stop it first.") from None
        except ServiceError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"The {about.database} database of {about.made_at} is in place.")
        if not about.has_keys:
            self.stdout.write("The backup has no keys: without the ones it was made with, its secrets cannot be read.")
