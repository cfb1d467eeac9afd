"""The data plane: an Xray for reverse tunnels, without Django.

Where things are, in the order in which a byte meets them:

    __main__, cli       the command line; process.py is what surrounds an instance: loop, signals, limits, logs
    document/           Xray's JSON in, with comments: every error with its line, column and path
    instance            what builds listeners, router, portals and bridges from a document; start, drain, stop
    net/                sockets as streams: listening, dialling, names, and the wheel of deadlines
    protocols/          one folder each (vmess, dokodemo, freedom, blackhole), found by its name; base.py is the contract
    routing/            the rules, compiled; the same code decides and explains
    mux/                Mux.cool: many sessions on one carrier
    reverse/            portal, bridge, and the control sessions between them
    live/, worker/      what runs now, for who looks; a process that runs one document for an agent
    agent/              what runs on a node: under a panel, with a worker per document; messages/ is what these say to each other
    wire/               what codecs share; they are bytes in, events out, with no I/O and no clock

stream.py is the one shape that all of these have: two streams are joined by making each the other's `peer`, and
bytes travel by plain calls. errors.py is every exception, named for what the catcher does. tasks.py is the sole
maker of tasks. docs/architecture.md tells it at length.
"""

__version__ = "0.1.0"
