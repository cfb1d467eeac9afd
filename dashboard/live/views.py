"""What of the live state is told to whom: pure functions of the hub's tree and a View."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dashboard.live.rights import View

Tree = dict[str, Any]


def encode(message: Tree) -> str:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def visible_nodes(nodes: Tree, view: View) -> frozenset[str]:
    """Those that run something of what this view has; of a view without a limit, all."""
    if view.instances is None:
        return frozenset(nodes)
    mine = {str(pk) for pk in view.instances}
    return frozenset(node for node, state in nodes.items() if not mine.isdisjoint(state.get("workers", ())))


def seen_nodes(nodes: Tree, view: View, visible: frozenset[str]) -> Tree:
    """A tree of nodes, or a patch of one, as this view has it."""
    if view.instances is None and view.has_nodes:
        return nodes
    found: Tree = {}
    for node, state in nodes.items():
        if view.instances is not None and node not in visible:
            continue
        if state is None:
            found[node] = None
            continue
        part = {key: value for key, value in state.items() if key != "workers" and (key != "host" or view.has_nodes)}
        workers = state.get("workers")
        if isinstance(workers, dict):
            workers = {key: one for key, one in workers.items() if view.instances is None or int(key) in view.instances}
            if workers:
                part["workers"] = workers
        elif workers is None and "workers" in state:
            part["workers"] = None
        if part:
            found[node] = part
    return found


def seen_history(history: Tree, view: View) -> Tree:
    if view.instances is None:
        return history
    return {instance: lines for instance, lines in history.items() if int(instance) in view.instances}


def seen_events(events: Iterable[Tree], view: View) -> list[Tree]:
    if view.instances is None:
        return list(events)
    return [event for event in events if event["instance"] in view.instances]
