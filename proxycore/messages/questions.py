"""What may be asked of a worker (or, where it says so, of its agent), by the name that `Ask.what` has.

    sessions    {"tunnel": tag, "kind": "portal"|"bridge", "limit": n} -> {"sessions": [SessionState], "total": n}
    close       {"ids": [id]}, {"tunnel": tag, "source": address} or {"tunnel": tag, "everything": true} -> {"closed": n};
                "kind" says which, where a portal and a bridge have one tag
    block       {"source": address, "seconds": n} -> {"closed": n}      new connections from there are refused until then
    unblock     {"source": address} -> {}
    explain     {"inbound": tag, "source": address, "destination": "host:port/tcp", "user": e-mail} -> {"steps": [...]}
                and, where a portal is chosen, "carriers": [Candidate]
    pick        {"tunnel": tag, "source": address} -> {"policy": name, "paused": whether it is, "carriers": [Candidate]}
                of a portal: which carrier a session of that client would get; in the order of preference
    diagnose    {"tunnel": tag, "kind": "portal"|"bridge"|"", "target": "host:port"} -> {"steps": [Step]}
    log         {"level": name, "lines": n} -> {"lines": [[at, level, text]]}       the agent's: it keeps the last 2,000
    watch_log   {"seconds": n} -> {}        the agent's: new lines are sent for so long
    restart     {} -> {}                    the agent's: also ends a crash loop

A Candidate: {"carrier": its number in the state, "peer", "user", "is_chosen", "is_usable", "why": for it or against}.
A Step of a diagnosis: {"name", "title", "outcome": "ok"|"failed"|"skipped"|"warning", "seen": what was seen, in words,
"cause": why, "remedy": what to do, "ms": how long it took}. A name is one of a fixed set, see proxycore/diagnosis.
"""

from __future__ import annotations

from typing import Final, Literal, NotRequired, TypedDict

SESSIONS: Final = "sessions"
CLOSE: Final = "close"
BLOCK: Final = "block"
UNBLOCK: Final = "unblock"
EXPLAIN: Final = "explain"
PICK: Final = "pick"
DIAGNOSE: Final = "diagnose"
LOG: Final = "log"
WATCH_LOG: Final = "watch_log"
RESTART: Final = "restart"

OF_WORKER: Final = frozenset({SESSIONS, CLOSE, BLOCK, UNBLOCK, EXPLAIN, PICK, DIAGNOSE})
OF_AGENT: Final = frozenset({LOG, WATCH_LOG, RESTART})

MAX_SESSIONS: Final = 5000
"""That one answer lists."""

Outcome = Literal["ok", "failed", "warning", "skipped"]


class Candidate(TypedDict):
    carrier: str
    peer: str
    user: str
    is_chosen: bool
    is_usable: bool
    why: str


class Step(TypedDict):
    name: str
    title: str
    outcome: Outcome
    seen: str
    cause: NotRequired[str]
    remedy: NotRequired[str]
    ms: NotRequired[float]
