#!/usr/bin/env python
"""Commands of the project; `manage.py help` lists them."""

from __future__ import annotations

import os
import sys


def main() -> None:
    # A tunnel needs no Django: importing it would cost 75 MB and most of a second before the first answer.
    # (dashboard/management/commands/runproxy.py is the same command for call_command and `manage.py help`.)
    if sys.argv[1:2] == ["runproxy"]:
        from proxycore import cli

        sys.exit(cli.main(["run", *sys.argv[2:]], prog="manage.py runproxy"))

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xrevsite.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
