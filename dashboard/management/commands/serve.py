"""Starts the panel, all of it: `xrevsite/serving` says what that is."""

from __future__ import annotations

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from xrevsite.serving import parts
from xrevsite.serving.demo import DemoError
from xrevsite.serving.listening import BadListen
from xrevsite.serving.lock import Taken
from xrevsite.serving.parts import UnknownPart
from xrevsite.serving.serve import Serve, ServeError, Wanted
from xrevsite.serving.valkey import NotOurs


class Command(BaseCommand):
    help = (
        "Run the panel: the web server, Celery's worker and beat, an embedded Valkey unless REDIS_URL names a server, and the "
        "agent of this host with its tunnels. Ctrl-C stops all of it; SIGHUP starts the web server again, with new certificates.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        named = ", ".join(parts.ALL)
        parser.add_argument("--listen", metavar="ADDRESS:PORT", help=f"default: {settings.LISTEN} (XREV_LISTEN)")
        parser.add_argument(
            "--plain-http-on-the-network", action="store_true", help="listen beyond loopback although there is no TLS in front")
        parser.add_argument("--only", action="append", default=[], metavar="PART,...", help=f"run these of {named}")
        parser.add_argument("--without", action="append", default=[], metavar="PART,...", help="run all but these")
        parser.add_argument("--demo", action="store_true", help="with a tunnel to look at, and a web server behind it")
        parser.add_argument("--demo-port", type=int, metavar="PORT", help="where to open the demo's page (make demo PORT=8090)")
        parser.add_argument("--celery-threads", type=int, default=4, metavar="N", help="tasks at a time (%(default)s)")

    def handle(
        self, *args: object, listen: str | None, plain_http_on_the_network: bool, only: list[str], without: list[str],
        celery_threads: int, demo: bool, demo_port: int | None, **options: object,
    ) -> None:
        try:
            wanted = Wanted(
                parts.choose(only, without), listen or settings.LISTEN, may_be_plain=plain_http_on_the_network,
                celery_threads=max(celery_threads, 1), has_demo=demo, demo_port=demo_port)
            is_well = Serve(wanted, say=self._say).run()
        except Taken as error:
            holder = f" (process {error.pid})" if error.pid else ""
            raise CommandError(f"Another `manage.py serve`{holder} runs the part {error.name} on {settings.VAR_DIR}.") from None
        except (BadListen, UnknownPart, ServeError, NotOurs, DemoError) as error:
            raise CommandError(str(error)) from None
        if not is_well:
            raise CommandError("The panel did not come up.")

    def _say(self, text: str) -> None:
        """For the person who started it; the log goes to standard error."""
        self.stdout.write(text)
        self.stdout.flush()
