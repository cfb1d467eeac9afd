"""Which outbound carries a request.

    domains.py addresses.py ports.py   what the entries of a rule mean, and matchers over many of them
    patterns.py                        patterns of the cores, many at once
    rule.py                            the other conditions; a rule is all of its conditions together
    index.py                           finds the few rules that could match among very many
    router.py                          the first rule that matches, and why

A router is compiled once per document. It neither resolves names nor reads files.
"""
