"""What runs of a document, and how another document takes its place while it does.

    change.py      one replacement: what is undone if it fails, what is done once all of it could be built
    applied.py     the report: what was kept, changed, added, removed
    matching.py    which entry of the new document is which of the old, and whether it is the same
    ground.py      what stays while documents come and go: loop, poller, dispatchers, counts of sockets
    names.py       how names become addresses
    outbounds.py   outbounds, and the tunnels that some of them keep open
    balancing.py   balancers and observatory
    tunnels.py     portals and bridges
    ways.py        by which outbounds a bridge reaches its portal
    inbounds.py    inbounds, and whose connections they accepted
    listen_key.py  what tells one listening socket from another
    listeners.py   listening sockets, which outlive the inbounds behind them
"""
