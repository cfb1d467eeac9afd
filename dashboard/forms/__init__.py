"""Forms that are drawn from the data plane's own schemas: a field per value of an entry, and back into the entry."""
