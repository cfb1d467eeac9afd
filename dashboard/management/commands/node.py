"""Lists nodes; approves, pauses, resumes and revokes them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Final

from django.core.management.base import BaseCommand, CommandError

from dashboard.choices import Standing
from dashboard.management import told
from dashboard.models import Node
from dashboard.services import nodes

ACTS: Final[dict[str, Callable[..., bool]]] = {
    "approve": nodes.approve, "pause": nodes.pause, "resume": nodes.resume, "revoke": nodes.revoke}


class Command(BaseCommand):
    help = "List the nodes, or do something with one. Exit status: 0 done, 1 there is no such node, or it is in another state."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", nargs="?", choices=("list", *ACTS), default="list")
        parser.add_argument("name", nargs="?", default="", help="of the node")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of the list (default: %(default)s)")

    def handle(self, *args: object, act: str, name: str, format: str, **options: object) -> None:
        if act == "list":
            self._list(format)
            return
        node = Node.objects.filter(name=name).first()
        if node is None:
            names = ", ".join(Node.objects.values_list("name", flat=True)[: told.MAX_NAMES])
            raise CommandError(f"there is no node {name}; there are: {names}")
        if not ACTS[act](node, by=None):
            raise CommandError(f"{name} is {Standing(node.state).label}: nothing to {act}")
        self.stdout.write(f"{name} is {Standing(node.state).label}.")

    def _list(self, format: str) -> None:
        rows = [
            {"name": node.name, "state": node.state, "is_up": node.is_up, "version": node.version,
             "last_seen_at": node.last_seen_at.isoformat(timespec="seconds") if node.last_seen_at else None,
             "last_seen_from": node.last_seen_from}
            for node in Node.objects.all()
        ]
        if format == "json":
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            seen = f"last seen {row['last_seen_at']} from {row['last_seen_from']}" if row["last_seen_at"] else "never seen"
            self.stdout.write(f"{row['name']}: {row['state']}, {'connected' if row['is_up'] else 'not connected'}, {seen}")
