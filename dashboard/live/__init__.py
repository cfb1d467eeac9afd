"""What runs, as it happens: between the nodes' agents, the database and browsers. All of it lives on daphne's event loop.

    agents.py       one agent's connection; ledger.py what of it goes into the database, in order; tree.py the state it says
    hub.py          per process: the state of all nodes, while a browser looks; views.py who sees how much of it
    browsers.py     a browser's or a program's connection; sse.py the same by server-sent events
    rights.py       who they are, and whether they still may
    history.py      two minutes of rates per tunnel         bounds.py   how fast and how much a peer may say
    telling.py      from any process to the consumers       tasks.py    the maker of tasks on this side

Between processes: what must arrive is a row, and the message only says to look. Groups of the channel layer: `node.<pk>`, the
consumer of that node's agent; `nodes`, all of these; `hubs`, all hubs.
"""
