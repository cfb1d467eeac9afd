"""Starts the panel: brings the database up to date, says how to make the first account, and serves."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from ipaddress import ip_address

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from dashboard.accounts import setup_link

DEFAULT_LISTEN = "127.0.0.1:8000"


class Command(BaseCommand):
    help = "Run the panel (HTTP)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--listen", default=DEFAULT_LISTEN, metavar="ADDRESS:PORT", help="default: %(default)s")
        parser.add_argument(
            "--plain-http-on-the-network", action="store_true", help="listen beyond loopback although there is no TLS in front")

    def handle(self, *args: object, listen: str, plain_http_on_the_network: bool, **options: object) -> None:
        host, port = _host_and_port(listen)
        if not (ip_address(host).is_loopback or settings.HTTPS or plain_http_on_the_network):
            raise CommandError(
                f"{host} can be reached from the network, and passwords would cross it unencrypted. Put a web server with TLS in "
                "front and set HTTPS=1 and XREV_PROXIES=1, or insist with --plain-http-on-the-network.")
        call_command("migrate", verbosity=0, interactive=False)
        shown = f"[{host}]" if ":" in host else host
        base_url = f"http://{shown}:{port}"
        if setup_link.is_needed():
            self.stdout.write(f"Make the first account here (good for a day, and once):\n  {base_url}{setup_link.make_path()}")
        else:
            self.stdout.write(f"The panel: {base_url}/")
        self.stdout.flush()
        proxied = ["--proxy-headers"] if settings.TRUSTED_PROXIES else []
        os.execv(sys.executable, [
            sys.executable, "-m", "daphne", "-b", host, "-p", str(port), "-v", "0", *proxied, "xrevsite.asgi:application"])


def _host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        ip_address(host)
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise CommandError(f"--listen {listen}: an address and a port are expected, {DEFAULT_LISTEN} or [::1]:8000, say")
    return host, number
