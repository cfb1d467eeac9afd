"""Why a tunnel is down, from one of its ends: what is tried is what a connection would do, in its order, and each line says what
was seen. It changes nothing, and connections that run do not notice it.

    steps.py        one line, its outcome, how long it took
    trying.py       a connection that is only opened: how that went
    portal_side.py  entry, route, who came to the carriers' inbound and was refused, the control session
    bridge_side.py  route to the portal, name, TCP, TLS, the portal's answer, the target
    diagnosing.py   the question, and which of the two answers it
"""
