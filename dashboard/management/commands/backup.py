"""Writes the panel's database and keys into one file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from dashboard.services.backups import backup
from dashboard.services.errors import ServiceError


class Command(BaseCommand):
    help = (
        "Write the database, the keys and the identity of this host's node into FILE (a .tar.gz, mode 0600). The panel may go on "
        "running. The file holds everything that the panel knows: keep it as you keep passwords.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--without-keys", action="store_true", help="leave the keys out; secrets in the database cannot be read without them")

    def handle(self, *args: object, file: Path, without_keys: bool, **options: object) -> None:
        try:
            about = backup(file, with_keys=not without_keys)
        except ServiceError as error:
            raise CommandError(error.message) from None
        size = f"{file.stat().st_size / 1024**2:.1f} MiB"
        keys = "without its keys" if without_keys else "with its keys: keep it safe"
        self.stdout.write(f"{file}: the {about.database} database of {about.made_at}, {keys} ({size}).")
