"""`manage.py runproxy`, for `call_command` and `manage.py help`.

manage.py itself hands the command to proxycore.cli before Django is imported; this is the same code by the other way.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandParser

from proxycore import cli


class Command(BaseCommand):
    help = "Run the tunnels of one Xray document (several files are merged as Xray does; - is standard input)."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_run_arguments(parser)

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        sys.exit(cli.main(["run", *argv[2:]], prog="manage.py runproxy"))

    def handle(self, *args: Any, **options: Any) -> None:
        code = cli.run(
            [*options["files"], *options["more"]],
            confdirs=options["confdirs"],
            only_check=options["check"],
            drain_s=options["drain_s"],
            as_json=options["log_json"],
        )
        if code:
            sys.exit(code)
