"""Prints the command with which a host joins."""

from __future__ import annotations

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from dashboard.models import Node
from dashboard.services.errors import ServiceError
from dashboard.services.joining import DEFAULT_HOURS, join_command, make_join_token
from dashboard.services.panel_address import panel_fingerprint, panel_url


class Command(BaseCommand):
    help = (
        "Make a join token and print the one command that is typed on the host. For one use it is for the node NAME, which is "
        "made if it is not there, and which needs no approval; for more uses each host becomes a node of its own name, and waits "
        "for approval."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="of the node; with --uses above 1: what the token is for")
        parser.add_argument("--uses", type=int, default=1, metavar="N", help="how many hosts may join (default: %(default)s)")
        parser.add_argument("--hours", type=float, default=DEFAULT_HOURS, metavar="N", help="that it is good for (%(default)s)")
        parser.add_argument("--panel", default="", metavar="URL", help="of this panel, as the host reaches it")
        parser.add_argument("--approve", action="store_true", help="who joins with it needs no approval, also with several uses")
        parser.add_argument("--ask-first", action="store_true", help="who joins with it waits for approval, also with one use")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is said (default: %(default)s)")

    def handle(
        self, *args: object, name: str, uses: int, hours: float, panel: str, approve: bool, ask_first: bool, format: str,
        **options: object,
    ) -> None:
        if approve and ask_first:
            raise CommandError("--approve and --ask-first say the opposite")
        approves = True if approve else False if ask_first else None
        try:
            node = Node.objects.get_or_create(name=name.strip())[0] if uses == 1 and name.strip() else None
            token, text = make_join_token(by=None, name=name, node=node, uses=uses, hours=hours, approves=approves)
        except ServiceError as error:
            raise CommandError(error.message) from None
        command = join_command(text, panel_url=panel or panel_url(), fingerprint=panel_fingerprint())
        if format == "json":
            said = {"token": text, "command": command, "expires_at": token.expires_at.isoformat(), "node": token.node_id}
            self.stdout.write(json.dumps(said, indent=2))
            return
        wait = "" if token.approves else " Then approve the node on the panel's page of nodes."
        self.stdout.write(f"Type this on the host, within {hours:g} hours.{wait}\n  {command}")
