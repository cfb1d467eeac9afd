"""A process that runs one document for an agent, which speaks to it over a Unix socket (messages/worker.py says how).

    process.py     what surrounds it: loop, signals, the socket, the exit code
    door.py        the socket, and the connection of the agent
    worker.py      what the agent's messages do; state, events and log lines to it
    reading.py     a document's text becomes what can be run, in a thread
    limits.py      credentials that end before their document does
    questions.py   answers to what is asked, see messages/questions.py
    lines.py       the log, forwarded

Without an agent it goes on for ORPHAN_S, and stops itself then.
"""
