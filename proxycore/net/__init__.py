"""Sockets, names and timers: everything that touches the operating system."""
