"""What panel, agent and workers say to each other, and the live state that they speak of.

    state.py    the tree of what runs now: its shape, key by key
    patch.py    how two such trees differ, and one brought up to the other (RFC 7396)
    link.py     agent and panel, one JSON object per WebSocket message
    worker.py   agent and worker, over the worker's Unix socket; framing.py cuts that stream
    events.py   things that happened, for people

Everything here is data: no I/O, no clock. Unknown keys are ignored and unknown messages answered by nothing, so that a newer
peer may say more; what breaks old readers raises `PROTOCOL` in link.py.
"""
