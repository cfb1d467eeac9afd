"""From services, commands and tasks to the consumers: a word that something is to be looked at.

Nothing depends on its arrival. Consumers look by themselves every half minute, so a broker that is away costs time only.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

NODES: Final = "nodes"
HUBS: Final = "hubs"

logger = logging.getLogger(__name__)


def group_of(node_pk: int) -> str:
    """Of the consumer that the node's agent is connected to."""
    return f"node.{node_pk}"


def held_group_of(node_pk: int) -> str:
    """Of the consumers whose agents wait until the node is resumed."""
    return f"held.{node_pk}"


def tell(group: str, message: dict[str, Any]) -> None:
    """Send `message` to a group, from code that is not async."""
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(group, message)
    except (RedisError, OSError) as error:
        logger.warning("the broker did not take %s for %s: %s", message.get("type"), group, error)


def tell_wanted(node_pk: int) -> None:
    """After this transaction: what the node should run may be something else now."""
    transaction.on_commit(partial(tell, group_of(node_pk), {"type": "node.wanted"}))


def tell_standing(node_pk: int) -> None:
    """After this transaction: the node may be approved, paused, revoked or gone now."""
    for group in (group_of(node_pk), held_group_of(node_pk)):
        transaction.on_commit(partial(tell, group, {"type": "node.standing"}))
