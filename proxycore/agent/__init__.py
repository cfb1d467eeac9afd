"""What runs on a node: it fetches from the panel what should run, runs it, and says what runs.

    command         the command line: arguments, exit codes; panel_address.py is which panel, and how it is trusted
    joining         a join token becomes the node's identity, once
    state_dir       where all of that is kept: the lock, the identity, private files written whole
    agent           what puts the parts together
    link            the WebSocket to the panel; outbox.py is what waits to be said there
    instance        one instance: which revision runs, which is on trial (trial.py), what comes back when it does not stand
    documents       the last good documents, on disk
    supervisor      one worker's life: started, found again, restarted, stopped
    worker_process  a process, worker_connection.py the socket on which it is spoken to
    counters        what moved since the last time; spool.py keeps it until the panel has it
    asks            questions of the panel; log_ring.py is the last lines of a log
    usage           processor, memory and descriptors, of workers and of the host

The agent is on nobody's byte path, and a worker goes on without it: it may be killed and started again at any time.
"""
