"""Lists tunnels; pauses and resumes them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.core.management.base import BaseCommand, CommandError

from dashboard.models import Instance
from dashboard.services.errors import ServiceError
from dashboard.services.pausing import pause, pauses_of, resume
from dashboard.services.topology import topology

ACTS: Final = {"pause": pause, "resume": resume}


class Command(BaseCommand):
    help = "List the tunnels, or let one take no new clients for now. Exit status: 0 done, 1 there is no such tunnel."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", nargs="?", choices=("list", *ACTS), default="list")
        parser.add_argument("instance", nargs="?", default="", help="its name")
        parser.add_argument("tunnel", nargs="?", default="", help="the tag of its portal or bridge there")
        parser.add_argument("--bridge", action="store_true", help="it is the bridge that is meant, not the portal")

    def handle(self, *args: object, act: str, instance: str, tunnel: str, bridge: bool, **options: object) -> None:
        if act == "list":
            self._list()
            return
        if not instance or not tunnel:
            raise CommandError(f"which tunnel? {act} INSTANCE TUNNEL is expected; `list` shows them")
        row = Instance.objects.filter(name=instance).first()
        if row is None:
            raise CommandError(f"there is no instance {instance!r}")
        try:
            is_changed = ACTS[act](row, "bridge" if bridge else "portal", tunnel, by=None)
        except ServiceError as error:
            raise CommandError(error.message) from None
        words = "takes no new clients" if act == "pause" else "takes new clients"
        self.stdout.write(f"{tunnel} of {instance} {words}{'' if is_changed else ', as before'}.")

    def _list(self) -> None:
        lanes = topology().lanes
        pauses = pauses_of(lanes)
        for lane in lanes:
            paused = pauses.get(lane.key)
            words = f"paused since {paused.since:%Y-%m-%d %H:%M} UTC" if paused is not None else "takes clients"
            self.stdout.write(f"{lane.place.name} {lane.end.key} ({lane.end.side}): {words}")
