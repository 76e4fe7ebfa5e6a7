"""What people see of a value that is not fit to be shown itself, made when it is written.

A summary is JSON text of at most 128 KiB. Every object in it has a ``kind``; what was cut has its
full ``length`` beside it. Making one costs a few milliseconds, whatever the size of the value, and
a value that cannot be summarised is stored all the same.
"""

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from sematic.types.forms import is_model

LIMIT_BYTES = 128 * 1024
"""The bound of every summary."""

_MAX_ITEMS = 100
_MAX_NODES = 2_000
_MAX_DEPTH = 6
_MAX_TEXT = 2_000
_MAX_TOP_TEXT = 20_000
# Tried in turn until the text fits: how many items and characters to leave.
_CUTS = ((100, 2_000), (50, 500), (20, 200), (10, 50), (3, 20))
_SEQUENCES: tuple[Any, ...] = (list, tuple, set, frozenset)
_NO_REPR: object = object.__repr__
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def build_summary(value: Any, summarise: Callable[[Any], Mapping[str, Any]]) -> str:
    """The summary of a value as JSON text.

    Args:
        value: any value; not changed.
        summarise: makes the content; what it raises goes into the summary.
    """
    try:
        content = summarise(value)
        return _fit(content)
    except Exception as error:  # noqa: BLE001  users' code may do anything; the value is stored
        reason = f"{type(error).__name__} while its summary was made"
        return _fit({"kind": "object", "type": type_name(value), "error": reason})


def _fit(content: Mapping[str, Any]) -> str:
    cleaned: Any = _clean(content)
    text = _dump(cleaned)
    for items, characters in _CUTS:
        if len(text.encode()) <= LIMIT_BYTES:
            return text
        cleaned = {**_cut(cleaned, items, characters), "cut": True}
        text = _dump(cleaned)
    if len(text.encode()) <= LIMIT_BYTES:
        return text
    return _dump({"kind": content["kind"], "cut": True})


def _dump(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace").decode()  # lone surrogates are in no valid JSON


def _clean(value: Any) -> Any:
    """The same in types that JSON has."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else f"{int(value):#x}"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return str(value)


def _cut(value: Any, items: int, characters: int) -> Any:
    if isinstance(value, str):
        return value[:characters]
    if isinstance(value, dict):
        return {
            key[:characters]: _cut(item, items, characters)
            for key, item in itertools.islice(value.items(), max(items, 12))
        }
    if isinstance(value, list):
        return [_cut(item, items, characters) for item in value[:items]]
    return value


def type_name(value: object) -> str:
    """The name of a value's type, with its module unless it is a builtin."""
    cls = type(value)
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def build_tree(value: object) -> Mapping[str, Any]:
    """The content of a summary for values without a special one: what is in them, level by level.

    Scalars are as they are, everything else is an object with a ``kind``. Data of the builtin
    containers is read without any code of subclasses.
    """
    if isinstance(value, str):
        return _text(value, _MAX_TOP_TEXT)
    node = _Tree().node(value, 0)
    return node if isinstance(node, dict) else {"kind": "scalar", "value": node}


def _text(value: str, limit: int) -> dict[str, Any]:
    return {"kind": "text", "length": len(value), "text": str.__getitem__(value, slice(limit))}


class _Tree:
    """Builds one tree, and stops when it has grown too large."""

    def __init__(self) -> None:
        self._nodes = 0

    def node(self, value: Any, depth: int) -> Any:
        self._nodes += 1
        if value is None or type(value) in (bool, int, float):
            return value
        if isinstance(value, Enum):
            return {"kind": "enum", "type": type_name(value), "name": value.name}
        if isinstance(value, str):
            return value if len(value) <= _MAX_TEXT else _text(value, _MAX_TEXT)
        if isinstance(value, bytes):
            return {"kind": "bytes", "length": len(value), "hex": value[:64].hex()}
        if depth >= _MAX_DEPTH or self._nodes >= _MAX_NODES:
            return {"kind": "cut", "type": type_name(value)}
        if isinstance(value, dict):
            return self._items(value, depth)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return self._fields("namedtuple", value, zip(value._fields, value, strict=False), depth)
        for base in _SEQUENCES:
            if isinstance(value, base):
                return self._list(base.__name__, value, base.__iter__(value), depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._fields("dataclass", value, _dataclass_fields(value), depth)
        if is_model(type(value)):
            return self._fields("model", value, value.__dict__.items(), depth)
        return self._object(value, depth)

    def _items(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        pairs = itertools.islice(dict.items(value), _MAX_ITEMS)
        items = [[self.node(key, depth + 1), self.node(item, depth + 1)] for key, item in pairs]
        return {"kind": "dict", "length": dict.__len__(value), "items": items}

    def _list(self, kind: str, value: Any, values: Iterable[Any], depth: int) -> dict[str, Any]:
        items = [self.node(item, depth + 1) for item in itertools.islice(values, _MAX_ITEMS)]
        return {"kind": kind, "length": len(value), "items": items}

    def _fields(
        self, kind: str, value: Any, fields: Iterable[tuple[str, Any]], depth: int
    ) -> dict[str, Any]:
        nodes = {
            name: self.node(item, depth + 1) for name, item in itertools.islice(fields, _MAX_ITEMS)
        }
        return {"kind": kind, "type": type_name(value), "fields": nodes}

    def _object(self, value: Any, depth: int) -> dict[str, Any]:
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if isinstance(shape, tuple):  # arrays, frames, tensors: their repr is long and says less
            kind = "frame" if len(shape) == 2 and hasattr(value, "columns") else "array"
            content = {"kind": kind, "type": type_name(value), "shape": shape}
            return content if dtype is None else {**content, "dtype": str(dtype)}
        if type(value).__repr__ is _NO_REPR and hasattr(value, "__dict__"):
            return self._fields("object", value, vars(value).items(), depth)
        return {"kind": "object", "type": type_name(value), **_representation(value)}


def _dataclass_fields(value: Any) -> Iterable[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        if hasattr(value, field.name):
            yield field.name, getattr(value, field.name)


def _representation(value: object) -> dict[str, Any]:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  the rest of the tree is still worth showing
        return {"error": f"{type(error).__name__} in its __repr__"}
    return {"repr": without_addresses(text[: 2 * _MAX_TEXT])[:_MAX_TEXT]}


def without_addresses(text: str) -> str:
    """A repr without the addresses of objects, which are others in every process."""
    return _ADDRESS.sub("", text)
