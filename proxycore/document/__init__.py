"""Xray's JSON document in, a typed model out, or every problem with its line and column.

    load.py        the entry: text or files -> LoadedDocument, or DocumentError
    jsonc.py       JSON with comments -> values and their places         places.py   places as text
    merge.py       several files as one
    root.py log.py managing.py inbound.py outbound.py stream_settings.py routing.py reverse.py protocol.py
                   what is allowed where; refuses by name what Xray knows and we do not run
    shape.py       Go's way of matching keys, and pydantic's errors in our words     words.py   small value forms
    sections.py    entry by entry, so that all errors show at once
    checks.py      what only shows when the parts are seen together
    model.py       what the runtime is built from
    problems.py report.py nearest.py     problems, where they are, what was probably meant
"""
