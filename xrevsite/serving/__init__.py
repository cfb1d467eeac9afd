"""`manage.py serve`: the processes of the panel, kept running.

    parts.py        which there are, in the order in which they start, and their commands
    supervisor.py   starts them, stops them in the opposite order, prints what a person has to know
    keeper.py       one of them: started, started again with back-off, stopped
    output.py       what they write, as one log
    listening.py    the sockets of the web server, which outlive its process
    lock.py         one `serve` for one VAR
    valkey.py       the embedded server
    local_agent.py  the agent of this host
    demo.py         the example's tunnel and the web server behind it
    beat.py         Celery's beat, a thread
    web.py          the process of the web server: daphne on uvloop
    bounded_channel.py  bounded_request.py      what strangers may hold of it: connections, bodies
    turns.py        how many requests are worked on at once
    systemd.py      the word to a service manager that all is up

The supervisor has no part in a request or a tunnel. When it is killed, its children are (PR_SET_PDEATHSIG), and the agent's
workers go on until the next agent takes them over, or end by themselves after a minute without one.
"""
