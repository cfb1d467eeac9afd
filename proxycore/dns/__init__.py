"""The `dns` section of a document: names to addresses by the servers that it lists.

    codec          the messages of DNS                      exchange       one question to a server: UDP, TCP
    https_codec    the HTTP that carries them               https          the same over HTTPS
    answer         what a lookup finds                      links          messages over a stream or datagrams
    cache          answers that were found lately           server         cache, coalescing, filters of one server
    hosts          the fixed names                          dns            hosts, then the servers in their order
    routes         which IP versions this host can use      build          all of it from a document

A question to a server that is not local is dispatched through the routing, like a client's connection.
"""
