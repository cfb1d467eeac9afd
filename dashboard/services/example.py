"""The tunnel of `make demo`: both sides on the panel's own host, published, to look at."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from dashboard.models import Service
from dashboard.services.exposing import OWN_CORE, Wish, carry_out
from dashboard.services.instances import local_node

NAME: Final = "demo"
LOOPBACK: Final = "127.0.0.1"


def find_example() -> Service | None:
    return Service.objects.select_related("instance", "far_instance").filter(name=NAME).first()


@transaction.atomic
def make_example(*, public_port: int, carrier_port: int, target_port: int) -> Service:
    """The service `demo` and its two instances, published. It is reachable from this host only. Raises: what exposing raises."""
    node = local_node()
    return carry_out(
        Wish(
            name=NAME, target_host=LOOPBACK, target_port=target_port, networks=("tcp",), node=node, instance=None,
            public_port=public_port, public_listen=LOOPBACK, portal_host=LOOPBACK, carrier="vmess", carrier_port=carrier_port,
            core=OWN_CORE, far_node=node),
        by=None)
