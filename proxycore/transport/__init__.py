"""What lies between a protocol and a socket: layers, each a stream over a stream.

    socket  <->  proxy_protocol (server only)  <->  tls  <->  websocket | httpupgrade | raw_http_header  <->  protocol

- `base` has the contract of a layer; `face` the two faces that all of them have.
- `stack` puts the layers of one `streamSettings` together. Without any, the protocol is joined to the socket itself.
- `sockopt` are options of the socket below; `chain` dials through another outbound instead of a socket.
"""
