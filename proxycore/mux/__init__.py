"""Mux.cool: many sessions on one reliable stream, the carrier. In a reverse tunnel the portal is the client.

codec.py     frames to calls and back, no I/O
carrier.py   one carrier: who may send now, what waits, what ends
session.py   one session as a stream, or as a flow of datagrams
client.py    the side that opens sessions; server.py the side that dispatches them
extension.py   credit for each session, and what else two of ours agree on; codec_extension.py   its frames
"""
