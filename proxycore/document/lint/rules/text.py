"""The text itself: what other cores do not read, and keys that nobody reads."""

from __future__ import annotations

from proxycore.document.lint.codes import Code
from proxycore.document.lint.finding import Edit, Tell
from proxycore.document.lint.known_keys import keys_of, objects
from proxycore.document.lint.spans import trailing_commas
from proxycore.document.lint.tree import shown
from proxycore.document.lint.view import View
from proxycore.document.nearest import did_you_mean

UNREADABLE = Code(
    "XR001",
    "unreadable",
    "error",
    "The file cannot be read as JSON, YAML or TOML.",
    "Nothing else can be said about it then. In JSON, comments and trailing commas are read.",
    "Mend the text at this place.",
)
DUPLICATE_KEY = Code(
    "XR002",
    "duplicate-key",
    "error",
    "An object has the same key twice.",
    "The cores take the last one without a word; this program refuses the document.",
    "Remove one of the two.",
)
UNKNOWN_KEY = Code(
    "XR003",
    "unknown-key",
    "warning",
    "A key that no core reads.",
    "It is ignored silently: most often a mistyped name, whose setting then does not count.",
    "Write the key as it is spelled.",
    is_fixable=True,
)
KEY_CASE = Code(
    "XR004",
    "key-case",
    "note",
    "A key is written in another letter case than the documentation's.",
    "The cores and this program read it all the same; other tools may not.",
    "Write it as documented.",
    is_fixable=True,
)
TRAILING_COMMA = Code(
    "XR005",
    "trailing-comma",
    "warning",
    "There is a comma before a closing bracket.",
    "This program reads it; Xray and V2Ray refuse the document.",
    "Remove the comma.",
    is_fixable=True,
)

CODES = (UNREADABLE, DUPLICATE_KEY, UNKNOWN_KEY, KEY_CASE, TRAILING_COMMA)


def check(view: View, tell: Tell) -> None:
    for kind, node in objects(view.root):
        spellings = {key.lower(): key for key in keys_of(kind)}
        written = dict(node.fields())
        for key, value in written.items():
            right = spellings.get(key.lower())
            if right == key:
                continue
            if right is not None:
                edits = view.source.rename(value.loc, right) if right not in written else []
                tell(KEY_CASE, value.loc, f"the key is documented as {shown(right)}", f"write {shown(right)}", edits, of_key=True)
                continue
            hint = did_you_mean(key, spellings.values())
            near = hint.split('"')[1] if hint else ""
            edits = view.source.rename(value.loc, near) if near and near not in written else []
            message = f"no core reads the key {shown(key)} here, so it does nothing"
            tell(UNKNOWN_KEY, value.loc, message, hint or "remove it, or write it as documented", edits, of_key=True)
    for offset in trailing_commas(view.source.text):
        tell.at_offset(
            TRAILING_COMMA,
            view.source.line_column(offset),
            "Xray and V2Ray refuse a comma before a closing bracket",
            "remove the comma",
            [Edit(offset, offset + 1, "")],
        )
