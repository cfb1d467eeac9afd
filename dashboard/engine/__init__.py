"""The other side of the door: the only part of the control plane that imports proxycore.api.

Documents in and out of the panel's tables are pure functions: nothing here reads or writes the database.

parse.py compile.py      document text -> entries -> document          content.py   what an entry is
columns.py               what the columns of an entry say              secrets.py   which values are secret; masking
matching.py diff.py      which entry of a new document is which old one; what changed, in words
going_back.py            a document compiled earlier, made into rows again      linting.py   findings and their entries
references.py            which entries name a tag                      describe.py  the schemas that forms are drawn from
"""
