"""Replaces the key that secrets are encrypted with."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dashboard.keys import keyring, new_key
from dashboard.services.errors import ServiceError
from dashboard.services.rotating import Rotated, encrypt_all, rotate_file


class Command(BaseCommand):
    help = (
        "Make a new encryption key, encrypt everything with it, and remove the old one from the key file. It may be "
        "interrupted at any point and run again: nothing is lost. The panel may go on running. Back the key file up afterwards."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--keep-old", action="store_true", help="leave the old key in the file: old backups need it")
        parser.add_argument("--print", action="store_true", help="only print a new key, for XREV_ENCRYPTION_KEYS; change nothing")

    def handle(self, *args: object, keep_old: bool, print: bool, **options: object) -> None:
        if print:
            self.stdout.write(new_key())
            return
        ring = keyring()            # makes the file where nothing was encrypted yet
        try:
            if settings.ENCRYPTION_KEYS:
                if len(ring.keys) == 1:
                    raise CommandError(
                        "XREV_ENCRYPTION_KEYS has one key only. Put a new one (rotate_keys --print) and a comma before it, "
                        "restart the panel, and run this again.")
                values = encrypt_all(ring, by=None, progress=self._progress)
                done = Rotated(ring.keys[0].id, [key.id for key in ring.keys[1:]], values)
            else:
                done = rotate_file(
                    Path(settings.ENCRYPTION_KEY_FILE), by=None, progress=self._progress, keeps_old=keep_old)
        except ServiceError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"Everything is encrypted with the key {done.key_id} ({done.values} values were written).")
        retired = ", ".join(done.retired)
        if settings.ENCRYPTION_KEYS:
            self.stdout.write(f"Take the others out of XREV_ENCRYPTION_KEYS and restart the panel: {retired}.")
        elif keep_old:
            self.stdout.write(f"{settings.ENCRYPTION_KEY_FILE} still has the old key, which nothing needs any more: {retired}.")
        else:
            self.stdout.write(f"Removed from {settings.ENCRYPTION_KEY_FILE}: {retired}. Back that file up.")

    def _progress(self, table: str, done: int, total: int) -> None:
        self.stdout.write(f"  {table}: {done} of {total}")
        self.stdout.flush()
