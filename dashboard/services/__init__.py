"""What people do, as functions: the only code that writes rows. Each takes who does it and writes the audit log.

storing.py               rows <-> entries, in few queries            locking.py    one writer at a time; versions
importing.py             a document replaces an instance's content   exporting.py  documents of instances
editing.py               one entry: create, change, delete, clone    clients.py    the same for clients of inbounds
ordering.py switching.py order of entries; on and off, many at once  references.py what names a tag
publishing.py            revisions: review, publish, roll back, discard
ports.py                 two inbounds that want one port             linting.py    findings of an instance or a text
explaining.py            which rule decides, and why                 auditing.py   who did what
certificates.py rotating.py instances.py                             certificates; keys; making and removing instances
joining.py nodes.py      how hosts join; approve, pause, revoke      running.py     what runs where, and what nodes say of it
limits.py                credentials that end before the document    events.py      what happened on nodes
asking.py                questions to nodes, and their answers        pausing.py    tunnels that take no new clients
"""
