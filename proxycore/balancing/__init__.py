"""Which of several outbounds carries a request.

    observation.py   what is known of an outbound: alive, how slow, how steady
    strategy.py      random, roundRobin, leastPing
    least_load.py    leastLoad
    costs.py         what leastLoad multiplies its measure by
    balancer.py      candidates by the beginning of their tags, the strategy's choice, fallbackTag

Strategies do no I/O: what was observed and randomness are arguments. Who observes is in proxycore/observatory.
"""
