"""Says why a tunnel is down."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.core.management.base import BaseCommand, CommandError

from dashboard.models import Instance
from dashboard.services.diagnosing import Line, diagnose
from dashboard.services.errors import ServiceError

EXIT_FAILED: Final = 1
_MARKS: Final = {"ok": "ok", "failed": "FAILED", "warning": "warning", "skipped": "not tried"}


class Command(BaseCommand):
    help = "Try the way of a connection through a tunnel, from all ends that are ours. Exit code 1: something on it fails."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("instance", help="its name")
        parser.add_argument("tunnel", help="the tag of its portal or bridge there")
        parser.add_argument("--target", default="", metavar="HOST:PORT", help="what is to be reached from the bridge")

    def handle(self, *args: object, instance: str, tunnel: str, target: str, **options: object) -> None:
        row = Instance.objects.filter(name=instance).first()
        if row is None:
            raise CommandError(f"there is no instance {instance!r}")
        try:
            lines = diagnose(row, tunnel, by=None, target=target)
        except ServiceError as error:
            raise CommandError(error.message) from None
        for line in lines:
            self._write(line)
        first = next((line for line in lines if line["outcome"] == "failed"), None)
        if first is not None:
            raise CommandError(first.get("cause", first["seen"]), returncode=EXIT_FAILED)
        self.stdout.write("Everything that could be tried works.")

    def _write(self, line: Line) -> None:
        took = f" ({line['ms']:.0f} ms)" if "ms" in line else ""
        self.stdout.write(f"{_MARKS[line['outcome']]:9}  {line['side']:6}  {line['title']}: {line['seen']}{took}")
        if "cause" in line:
            self.stdout.write(f"{'':19}why: {line['cause']}")
        if "remedy" in line:
            self.stdout.write(f"{'':19}what to do: {line['remedy']}")
