"""Which rule decides about a connection, and why those before it do not."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError

from dashboard.engine.compile import CannotCompile
from dashboard.management import told
from dashboard.services.errors import ServiceError
from dashboard.services.explaining import Explanation, Question, explain

EXIT_UNDECIDED = 3


class Command(BaseCommand):
    help = (
        "Say which rule of an instance decides about a connection, as it is now, published or not. Nothing is sent. "
        "Exit status: 0 something decides, 3 nothing does (it would be refused), 1 it cannot be said."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="of the instance")
        parser.add_argument("--to", required=True, metavar="HOST:PORT", help="where the connection wants to go")
        parser.add_argument("--inbound", default="", metavar="TAG", help="where it came in")
        parser.add_argument("--network", choices=("tcp", "udp"), default="tcp", help="default: %(default)s")
        parser.add_argument("--source", default="", metavar="ADDRESS[:PORT]", help="where it comes from")
        parser.add_argument("--user", default="", metavar="EMAIL", help="the client that it came by")
        parser.add_argument("--protocol", default="", metavar="NAME", help="what was sniffed: http, tls, bittorrent, say")
        parser.add_argument(
            "--resolved", action="append", default=[], metavar="ADDRESS", help="an address that the name has")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is said (default: %(default)s)")

    def handle(
        self, *args: object, name: str, to: str, inbound: str, network: str, source: str, user: str, protocol: str,
        resolved: list[str], format: str, **options: object,
    ) -> None:  # fmt: skip
        instance = told.instance_named(name)
        host, port = _host_and_port(to, "--to")
        source_host, source_port = _host_and_port(source, "--source", needs_port=False) if source else ("", 0)
        question = Question(
            host=host, port=port, network="udp" if network == "udp" else "tcp", inbound_tag=inbound, source=source_host,
            source_port=source_port, user=user, protocol=protocol, resolved=tuple(resolved))
        try:
            found = explain(instance, question)
        except CannotCompile as error:
            raise CommandError(f"{name} cannot be put together: {error}") from None
        except ServiceError as error:
            raise CommandError(f"{f'{error.path}: ' if error.path else ''}{error.message}") from None
        self.stdout.write(json.dumps(asdict(found), indent=2) if format == "json" else "\n".join(_lines(found)))
        if found.target is None:
            raise CommandError("nothing decides about it", returncode=EXIT_UNDECIDED)


def _lines(found: Explanation) -> list[str]:
    lines = [f"  {'x' if rule.matched else '-'} {rule.name}: {rule.reason}" for rule in found.rules]
    return [*lines, f"goes to {found.target}: {found.why}" if found.target is not None else found.why]


def _host_and_port(text: str, option: str, *, needs_port: bool = True) -> tuple[str, int]:
    """Raises CommandError."""
    host, colon, port = text.rpartition(":")
    if not needs_port and (not colon or (":" in host and not text.startswith("["))):
        return text.strip("[]"), 0
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if not host or not 0 < number < 65536 or (":" in host and not host.startswith("[")):
        raise CommandError(f"{option} {text}: a host and a port are expected, web.example:443 or [2001:db8::1]:443, say")
    return host.strip("[]"), number
