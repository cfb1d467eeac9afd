"""What runs now, for who looks at it: read off a running instance, and nothing on the byte path knows of it.

    tree.py        the tree of messages/state.py: what it has of inbounds, outbounds, users and tunnels
    tunnels.py     its portals and bridges, which are on their way out included
    carriers.py    their carriers
    sessions.py    the sessions of a tunnel: listed, and ended by hand
"""
