"""Plain values as JSON text: exact, the same in every process, readable by people.

What JSON has is written as JSON. The rest is an object with the key ``"$"`` that names its kind,
e.g. ``{"$":"tuple","items":[1,2]}``; ``plain_reader`` has them all. Only exact types are plain: a
subclass of ``dict`` may hold more than its items, so the pickle codec takes it.
"""

import base64
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring as _quote
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sematic.artifacts.codecs.classes import build_definition, class_name, is_importable
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.codecs.models import read_model
from sematic.artifacts.codecs.records import enum_key, is_named_tuple, read_fields
from sematic.types.forms import is_model

# Deeper values are pickled, as are values with cycles, which have no depth at all.
_MAX_DEPTH = 64
# Larger values are pickled: their text would take several times their memory. The count is of
# nodes, not of objects: equal values have the same codec, whatever they share inside. A value
# that shares its parts many times over may have more nodes than one can visit, so at the first
# number all of them are counted in advance.
_COUNT_FROM = 100_000
_MAX_NODES = 5_000_000
# Longer integers have a hexadecimal form: Python refuses to read long decimal ones, and lets
# users lower that limit to 640 digits.
_MAX_DECIMAL_BITS = 2048

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass
class PlainText:
    """A plain value as text.

    Attributes:
        text: JSON; valid UTF-8, no character below U+0020.
        definitions: by name, the classes that other processes cannot import.
        is_local: whether there are such classes, with a definition or without.
    """

    text: str
    definitions: dict[str, str] = field(default_factory=dict)
    is_local: bool = False


def encode(value: object) -> PlainText:
    """The text of a plain value.

    Raises:
        NotEncodable: the value, or something in it, is not plain.
    """
    scalar = _SCALARS.get(type(value))
    if scalar is not None:
        return PlainText(scalar(value))
    writer = _Writer(value)
    try:
        text = writer.text(value, 0)
    except RecursionError:  # the caller was deep in the stack already
        raise NotEncodable from None
    return PlainText(text, writer.definitions, writer.is_local)


def _none(value: None) -> str:
    return "null"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _int(value: int) -> str:
    if value.bit_length() <= _MAX_DECIMAL_BITS:
        return int.__repr__(value)
    return f'{{"$":"int","value":"{value:x}"}}'


def _float(value: float) -> str:
    if value - value == 0:
        return float.__repr__(value)
    return f'{{"$":"float","value":"{value!r}"}}'


def _str(value: str) -> str:
    if value.isascii() or not _SURROGATES.search(value):
        return _quote(value)
    # Two lone surrogates in a row would be read as one character.
    exact = value.encode("utf-8", "surrogatepass")
    return f'{{"$":"str","value":"{base64.b64encode(exact).decode()}"}}'


_SCALARS: dict[type, Callable[[Any], str]] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
}


class _Writer:
    """Writes one value; knows what it has met on the way."""

    def __init__(self, root: object) -> None:
        self.definitions: dict[str, str] = {}
        self.is_local = False
        self._root = root
        self._nodes = 0
        self._limit = _COUNT_FROM

    def text(self, value: Any, depth: int) -> str:
        cls = type(value)
        scalar = _SCALARS.get(cls)
        if scalar is not None:
            return scalar(value)
        if depth >= _MAX_DEPTH:
            raise NotEncodable
        write = _WRITERS.get(cls)
        if write is not None:
            return write(self, value, depth + 1)
        if isinstance(value, Enum):
            key, content = enum_key(value)
            return self._tagged("enum", depth, cls=cls, **{key: content})
        if hasattr(cls, "__dataclass_fields__"):
            return self._tagged("dataclass", depth, cls=cls, fields=read_fields(value))
        if is_named_tuple(cls) and not getattr(value, "__dict__", None):
            fields = dict(zip(cls._fields, value, strict=True))
            return self._tagged("namedtuple", depth, cls=cls, fields=fields)
        if is_model(cls):
            return self._tagged("model", depth, cls=cls, **read_model(value))
        if cls.__module__ == "numpy":
            return self._numpy_scalar(value, depth)
        raise NotEncodable

    def texts(self, values: Any, depth: int) -> list[str]:
        self._nodes += len(values)
        if self._nodes > self._limit:
            if _count_nodes(self._root, {}, 0) > _MAX_NODES or self._nodes > _MAX_NODES:
                raise NotEncodable
            self._limit = _MAX_NODES
        text = self.text
        return [text(value, depth) for value in values]

    def array(self, values: Any, depth: int) -> str:
        return f"[{','.join(self.texts(values, depth))}]"

    def dict(self, value: dict[Any, Any], depth: int) -> str:
        if "$" in value or any(type(key) is not str for key in value):
            return self._tagged("dict", depth, items=[list(item) for item in value.items()])
        texts = self.texts(value.values(), depth)
        keys = [self.text(key, depth) for key in value]
        if any(key[0] != '"' for key in keys):  # a key with surrogates is not a JSON string
            return self._tagged("dict", depth, items=[list(item) for item in value.items()])
        pairs = [f"{key}:{text}" for key, text in zip(keys, texts, strict=True)]
        return "{" + ",".join(pairs) + "}"

    def set(self, value: Any, depth: int) -> str:
        texts = sorted(self.texts(value, depth))  # the same order in every process
        return f'{{"$":"{type(value).__name__}","items":[{",".join(texts)}]}}'

    def datetime(self, value: datetime, depth: int) -> str:
        bare = value.replace(tzinfo=None, fold=0).isoformat()
        return self._moment("datetime", bare, value, depth)

    def time(self, value: time, depth: int) -> str:
        bare = value.replace(tzinfo=None, fold=0).isoformat()
        return self._moment("time", bare, value, depth)

    def zone(self, value: ZoneInfo, depth: int) -> str:
        if value.key is None:  # read from a file
            raise NotEncodable
        return self._tagged("zoneinfo", depth, key=value.key)

    def _moment(self, kind: str, bare: str, value: Any, depth: int) -> str:
        more = {"zone": value.tzinfo} if value.tzinfo is not None else {}
        if value.fold:
            more["fold"] = value.fold
        return self._tagged(kind, depth, value=bare, **more)

    def _numpy_scalar(self, value: Any, depth: int) -> str:
        numpy = sys.modules["numpy"]
        if not isinstance(value, numpy.generic) or value.dtype.kind not in "biufcmM":
            raise NotEncodable
        if value.dtype.itemsize > (16 if value.dtype.kind == "c" else 8):  # padded with anything
            raise NotEncodable
        name = value.dtype.str
        if value.dtype.kind in "biuf":
            return self._tagged("numpy", depth, dtype=name, value=value.item())
        return self._tagged("numpy", depth, dtype=name, data=value.tobytes())

    def _tagged(self, kind: str, depth: int, *, cls: type | None = None, **content: Any) -> str:
        parts = [f'"$":"{kind}"']
        if cls is not None:
            parts.append(f'"class":{_str(self._name(cls))}')
        for key, value in content.items():
            if key == "fields":  # their names are identifiers: never "$"
                texts = self.texts(value.values(), depth + 1)
                pairs = [f"{_str(k)}:{text}" for k, text in zip(value, texts, strict=True)]
                parts.append(f'"fields":{{{",".join(pairs)}}}')
            else:
                parts.append(f'"{key}":{self.text(value, depth)}')
        return "{" + ",".join(parts) + "}"

    def _name(self, cls: type) -> str:
        name = class_name(cls)
        if not is_importable(cls):
            self.is_local = True
            definition = build_definition(cls)
            if definition is not None:
                self.definitions[name] = definition
        return name


def _count_nodes(value: Any, known: dict[int, int], depth: int) -> int:
    """How many nodes the builtin containers in a value have, each object counted in once."""
    cls = type(value)
    if cls not in (list, tuple, dict, set, frozenset) or depth > _MAX_DEPTH:
        return 1
    if id(value) not in known:
        parts = value.values() if cls is dict else value
        known[id(value)] = 1 + sum(_count_nodes(part, known, depth + 1) for part in parts)
    return known[id(value)]


def _by_text(kind: str) -> Callable[[_Writer, Any, int], str]:
    return lambda writer, value, depth: writer._tagged(kind, depth, value=str(value))


def _by_items(kind: str) -> Callable[[_Writer, Any, int], str]:
    return lambda writer, value, depth: writer._tagged(kind, depth, items=list(value))


_WRITERS: dict[type, Callable[[_Writer, Any, int], str]] = {
    list: _Writer.array,
    dict: _Writer.dict,
    tuple: _by_items("tuple"),
    set: _Writer.set,
    frozenset: _Writer.set,
    bytes: lambda w, v, _: f'{{"$":"bytes","value":"{base64.b64encode(v).decode()}"}}',
    complex: lambda w, v, d: w._tagged("complex", d, value=[v.real, v.imag]),
    range: lambda w, v, d: w._tagged("range", d, value=[v.start, v.stop, v.step]),
    Decimal: _by_text("decimal"),
    UUID: _by_text("uuid"),
    date: _by_text("date"),
    datetime: _Writer.datetime,
    time: _Writer.time,
    timedelta: lambda w, v, d: w._tagged("timedelta", d, value=[v.days, v.seconds, v.microseconds]),
    timezone: lambda w, v, d: w._tagged("timezone", d, value=list(v.__getinitargs__())),
    ZoneInfo: _Writer.zone,
    PosixPath: _by_text("path"),
    WindowsPath: _by_text("path"),
    PurePosixPath: _by_text("pure_posix_path"),
    PureWindowsPath: _by_text("pure_windows_path"),
}
