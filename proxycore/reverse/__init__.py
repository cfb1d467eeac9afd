"""Reverse tunnels: a bridge dials out and keeps carriers to a portal, which sends sessions back through them.

dialect.py    the names by which cores address the control session
control.py    the control message on the wire; extension_codec.py   what two of ours add to it
portal.py     the outbound that owns carriers; link.py   one of them; picking.py   which one a session gets
bridge.py     keeps carriers up and dispatches what comes through them
health.py     whether the far end of a carrier answers; stalls.py   what is done where one session holds up the others
waiting.py    a session that waits for a carrier
"""
