"""What a client speaks, and to which name, seen in its first bytes before the request is routed.

    verdict.py                  what a look at the first bytes can end with
    codec_http.py codec_tls.py  one protocol each, sans-I/O
    codec_client_hello.py       the name in a TLS ClientHello, which TLS and QUIC carry
    codec_quic.py codec_bittorrent.py
    sniffer.py                  all protocols of a network together
    policy.py                   the `sniffing` object: what is done with a name that was found
    dispatching.py              stands before the router, for inbounds that sniff

Source: Xray-core app/dispatcher/default.go, app/dispatcher/sniffer.go, common/protocol/{http,tls,quic,bittorrent}.
"""
