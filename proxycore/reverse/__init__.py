"""Reverse tunnels: a bridge dials out and keeps carriers to a portal, which sends sessions back through them.

dialect.py    the names by which cores address the control session
control.py    the control message on the wire
portal.py     the outbound that owns carriers and picks among them
bridge.py     keeps carriers up and dispatches what comes through them
waiting.py    a session that waits for a carrier
"""
