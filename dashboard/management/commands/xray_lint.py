"""Says what will not work in documents: `python -m proxycore lint`, for those who have manage.py at hand."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from dashboard.engine.linting import lint_files


class Command(BaseCommand):
    help = "Lint Xray documents, side by side. Exit status: 0 nothing but notes, 1 warnings, 2 wrong arguments, 23 errors."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="documents of any core; - is standard input")
        parser.add_argument(
            "--format", choices=("text", "json", "sarif"), default="text", help="of what is said (default: %(default)s)")
        parser.add_argument("--for", dest="core", default="", metavar="CORE", help="the core that runs them: xray-26.4.17, say")

    def handle(self, *args: object, files: list[str], format: str, core: str, **options: object) -> None:
        status = lint_files(files, core=core, form=format, is_fixing=False)
        if status:
            sys.exit(status)
