"""Probes outbounds, so that balancers know which are alive and how quick they are.

    settings.py         what is observed, and how often
    probe_url.py        the URL that is asked for
    exchange_codec.py   one HTTP/1.1 request and the answer to it
    probe.py            one exchange through one outbound, timed
    samples.py          the last probes of one outbound, and their statistics
    observer.py         what both kinds share
    simple.py           `observatory`: the last probe of each counts
    burst.py            `burstObservatory`: many probes at random times, and their statistics
    balancing.py        all balancers of a document, with the observatory that it asks for
"""
