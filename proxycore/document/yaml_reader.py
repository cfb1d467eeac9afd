"""YAML, read into what JSON can say and the place of every key and value.

Plain words mean what they mean to Xray, which reads YAML 1.1: yes, no, on, off, y and n are true and false. Dates and
times stay text, as there. Refused, though YAML has it: a key that is no text, a second document, tags of programming
languages, NaN and infinity, and whole numbers with a leading zero, which are octal to some readers and not to others.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import Reader

from proxycore.document.jsonc import (
    MAX_DEPTH,
    MAX_DOCUMENT_CHARS,
    MAX_DUPLICATES,
    MAX_NUMBER_CHARS,
    Fault,
    JsonError,
    ListMarks,
    Marks,
    ObjectMarks,
    Parsed,
)

MAX_NODES: Final = 1_000_000        # values of a document, those of an alias counted each time that it is used

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIX: Final = "tag:yaml.org,2002:"
_TRUE: Final = frozenset(word for name in ("y", "yes", "true", "on") for word in (name, name.title(), name.upper()))
_FALSE: Final = frozenset(word for name in ("n", "no", "false", "off") for word in (name, name.title(), name.upper()))
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|[0-9][0-9_]*)").fullmatch
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9_]+").fullmatch
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?").fullmatch
_NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)").fullmatch
_SURROGATE: Final = re.compile("[\ud800-\udfff]").search
_NOT_PRINTABLE: Final = Reader.NON_PRINTABLE.search


class _Open:
    """An object or a list that is being read."""

    __slots__ = ("anchor", "height", "is_merge", "key", "key_offset", "marks", "merged", "size", "values")

    def __init__(self, marks: ObjectMarks | ListMarks, anchor: str | None) -> None:
        self.marks = marks
        self.values: Any = {} if isinstance(marks, ObjectMarks) else []
        self.anchor = anchor
        self.key: str | None = None         # of the value that comes next
        self.key_offset = 0
        self.is_merge = False               # that key is `<<`
        self.merged: list[_Node] = []       # the values of `<<`
        self.size = 1
        self.height = 1


class _Node:
    """A value that was read: how many values are in it, and how many are inside each other."""

    __slots__ = ("height", "marks", "size", "value")

    def __init__(self, value: object, marks: Marks, size: int = 1, height: int = 0) -> None:
        self.value = value
        self.marks = marks
        self.size = size
        self.height = height


_MERGE: Final = "<<"


def parse_yaml(text: str) -> Parsed:
    """Read one YAML document. Raises JsonError for the first thing that cannot be read."""
    return _Reader(text).read()


class _Reader:
    __slots__ = ("_anchors", "_duplicates", "_line_starts", "_nodes", "_open", "_root", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._open: list[_Open] = []
        self._anchors: dict[str, _Node | None] = {}     # None: its value is still being read
        self._duplicates: list[Fault] = []
        self._nodes = 0
        self._root: _Node | None = None

    def read(self) -> Parsed:
        if len(self._text) > MAX_DOCUMENT_CHARS:
            raise JsonError(Fault(1, 1, f"the document is longer than {MAX_DOCUMENT_CHARS} characters"))
        odd = _NOT_PRINTABLE(self._text)
        if odd is not None:
            raise self._error(odd.start(), f"the character U+{ord(odd[0]):04X} must not be in YAML")
        for event in self._events():
            self._take(event)
        if self._root is None or self._root.value is None:
            raise JsonError(Fault(1, 1, "the document is empty; at least {} is expected"))
        return Parsed(self._root.value, self._root.marks, self._line_starts, self._duplicates, [], is_json=False)

    def _events(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self._text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            parts = [part for part in (error.context, error.problem) if part]
            line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
            raise JsonError(Fault(line, column, f"this is no YAML: {', '.join(parts)}")) from None
        except yaml.YAMLError:
            raise JsonError(Fault(1, 1, "this is no YAML")) from None

    def _error(self, offset: int, message: str) -> JsonError:
        return JsonError(self._fault(offset, message))

    def _fault(self, offset: int, message: str) -> Fault:
        line = self._text.count("\n", 0, offset) + 1
        return Fault(line, offset - self._line_starts[line - 1] + 1, message)

    def _take(self, event: Any) -> None:
        offset: int = event.start_mark.index
        if isinstance(event, DocumentStartEvent):
            if self._root is not None:
                raise self._error(offset, "a second document begins here; one is expected")
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._begin(event, offset)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._end()
        elif isinstance(event, AliasEvent):
            self._put(self._aliased(event.anchor, offset), offset)
        elif isinstance(event, ScalarEvent):
            self._scalar(event, offset)

    def _begin(self, event: Any, offset: int) -> None:
        is_object = isinstance(event, MappingStartEvent)
        if len(self._open) == MAX_DEPTH:
            raise self._error(offset, f"there are more than {MAX_DEPTH} objects and lists inside each other")
        if event.tag is not None and event.tag not in ("!", _PREFIX + ("map" if is_object else "seq")):
            raise self._error(offset, "this tag has no meaning here")
        if self._is_key_next:
            raise self._error(offset, "a key must be text")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._count(1, offset)
        self._open.append(_Open(ObjectMarks(offset) if is_object else ListMarks(offset), event.anchor))

    def _end(self) -> None:
        done = self._open.pop()
        for node in done.merged:
            self._merge(done, node)
        node = _Node(done.values, done.marks, done.size, done.height)
        if done.anchor is not None:
            self._anchors[done.anchor] = node
        self._put(node, done.marks.offset)

    def _merge(self, into: _Open, node: _Node) -> None:
        """The keys of `<<: *other` that the object does not have itself."""
        for value, marks in _objects(node):
            for key, item in value.items():
                if key not in into.values:
                    into.values[key] = item
                    into.marks.keys[key] = marks.keys[key]          # type: ignore[union-attr]
                    into.marks.values[key] = marks.values[key]      # type: ignore[union-attr]

    @property
    def _is_key_next(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].marks, ObjectMarks) and self._open[-1].key is None

    def _aliased(self, name: str | None, offset: int) -> _Node:
        node = self._anchors.get(name or "")
        if node is None:
            raise self._error(offset, f"there is no finished value with the anchor &{(name or '')[:40]} before this")
        if len(self._open) + node.height > MAX_DEPTH:
            raise self._error(offset, f"there are more than {MAX_DEPTH} objects and lists inside each other")
        self._count(node.size, offset)
        return node

    def _count(self, nodes: int, offset: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._error(offset, f"the document has more than {MAX_NODES} values, those of aliases counted at each use")

    def _scalar(self, event: ScalarEvent, offset: int) -> None:
        if self._is_key_next:
            node = _Node(self._key(event, offset), offset)
        else:
            self._count(1, offset)
            node = _Node(self._value(event, offset), offset)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._put(node, offset)

    def _put(self, node: _Node, offset: int) -> None:
        """The value or key `node`, which stands at `offset`, into what is open."""
        if not self._open:
            self._root = node
            return
        outer = self._open[-1]
        if self._is_key_next:
            self._begin_entry(outer, node.value, offset)
            return
        outer.size += node.size
        outer.height = max(outer.height, node.height + 1)
        if isinstance(outer.marks, ListMarks):
            outer.values.append(node.value)
            outer.marks.items.append(node.marks)
            return
        key, outer.key = outer.key, None
        if outer.is_merge:
            outer.is_merge = False
            if not _objects(node):
                raise self._error(offset, "`<<` takes an object, or a list of objects")
            outer.merged.append(node)
            return
        assert key is not None
        if key in outer.values:
            first = self._fault(outer.marks.keys[key], "").line
            fault = self._fault(outer.key_offset, f'the key "{key}" is here twice; the first is on line {first}')
            if len(self._duplicates) == MAX_DUPLICATES:
                raise JsonError(fault)
            self._duplicates.append(fault)
        outer.values[key] = node.value
        outer.marks.values[key] = node.marks
        outer.marks.keys[key] = outer.key_offset

    def _begin_entry(self, outer: _Open, key: object, offset: int) -> None:
        if not isinstance(key, str):
            raise self._error(offset, "a key must be text")
        outer.key = key
        outer.key_offset = offset

    def _key(self, event: ScalarEvent, offset: int) -> str:
        if event.value == _MERGE and not event.style and event.tag in (None, _PREFIX + "merge"):
            self._open[-1].is_merge = True
            return _MERGE
        value = self._value(event, offset)
        if isinstance(value, bool) or value is None or isinstance(value, float):
            shown = event.value[:40]
            raise self._error(offset, f"a key must be text; to YAML {shown or 'nothing'} is none: put it in quotes")
        return str(value)

    def _value(self, event: ScalarEvent, offset: int) -> object:
        text: str = event.value
        if event.style == '"' and _SURROGATE(text):
            raise self._error(offset, "this text holds half of a surrogate pair")
        tag: str | None = event.tag
        if tag is not None and tag != "!":
            return self._tagged(tag, text, offset)
        if event.style or tag == "!":
            return text
        return self._plain(text, offset)

    def _tagged(self, tag: str, text: str, offset: int) -> object:
        kind = tag.removeprefix(_PREFIX)
        if kind == "str":
            return text
        if kind == "binary":
            try:
                return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                raise self._error(offset, "this is no text in base64") from None
        value = self._plain(text, offset)
        fits = {"int": type(value) is int, "float": type(value) in (int, float), "bool": isinstance(value, bool),
                "null": value is None}
        if not fits.get(kind, False):
            raise self._error(offset, "this tag does not fit the value" if kind in fits else "this tag has no meaning here")
        return value

    def _plain(self, text: str, offset: int) -> object:
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if text[0] not in "+-.0123456789":
            return text
        if _NO_NUMBER(text):
            raise self._error(offset, "this is no number that JSON has")
        is_integer = _INTEGER(text) is not None
        if not is_integer and _FLOAT(text) is None:
            return text
        if len(text) > MAX_NUMBER_CHARS:
            raise self._error(offset, f"a number must not have more than {MAX_NUMBER_CHARS} characters")
        if _LEADING_ZERO(text):
            raise self._error(offset, "a number with a leading zero is octal to some readers; put text in quotes")
        try:
            number = int(text.replace("_", ""), 0) if is_integer else float(text.replace("_", ""))
        except ValueError:          # 0x_, for one
            return text
        if number in (float("inf"), float("-inf")):
            raise self._error(offset, "the number is too large")
        return number


def _objects(node: _Node) -> list[tuple[dict[str, object], ObjectMarks]]:
    """The objects that `<<` names; none if there is anything else among them."""
    if isinstance(node.value, dict) and isinstance(node.marks, ObjectMarks):
        return [(node.value, node.marks)]
    if not isinstance(node.value, list) or not isinstance(node.marks, ListMarks):
        return []
    found = [
        (value, marks)
        for value, marks in zip(node.value, node.marks.items, strict=True)
        if isinstance(value, dict) and isinstance(marks, ObjectMarks)
    ]
    return found if len(found) == len(node.value) else []
