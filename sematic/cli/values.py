"""Stored values as text, from what the record says of them: nothing is unpickled or imported.

A value is turned into nodes first: a text, or a group of nodes between brackets. Both the payload
of small values (JSON, see ``artifacts/codecs/plain.py``) and the summaries of large ones have
the same nodes.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from sematic.calls import ArtifactRef
from sematic.cli.pictures import describe_picture, picture_in_payload
from sematic.cli.screen import cell_length
from sematic.wording import format_size, one_line

_INDENT = "    "
_BRACKETS = {
    "list": "[]",
    "tuple": "()",
    "set": "{}",
    "frozenset": ("frozenset({", "})"),
    "dict": "{}",
}


_SETS = ("set", "frozenset")


@dataclass(frozen=True)
class Group:
    """Nodes between brackets; each has a label such as ``"name="``, or an empty one."""

    opening: str
    items: "Sequence[tuple[str, Node]]"
    closing: str


Node: TypeAlias = str | Group


def build_node(ref: ArtifactRef) -> Node:
    """The value of an artifact, as far as the record knows it."""
    if ref.payload is not None:
        return _payload_node(read_payload(ref.payload))
    if ref.summary is not None:
        return _summary_node(json.loads(ref.summary))
    return f"<{ref.type}, {format_size(ref.size)}>"


def read_payload(payload: str) -> Any:
    """A payload as JSON has it; without the classes that came with it, which only Python reads."""
    value = json.loads(payload)
    return value["value"] if isinstance(value, dict) and value.get("$") == "local" else value


def format_flat(node: Node, room: int) -> str:
    """A node in one line, cut after ``room`` characters."""
    return one_line(_flat(node), room)


def format_pretty(node: Node, width: int) -> list[str]:
    """A node in lines of at most ``width`` columns where it can be broken."""
    return list(_pretty(node, "", width, ""))


def _flat(node: Node) -> str:
    if isinstance(node, str):
        return node
    inside = ", ".join(label + _flat(item) for label, item in node.items)
    lonely = node.opening == "(" and len(node.items) == 1
    return f"{node.opening}{inside}{',' if lonely else ''}{node.closing}"


def _pretty(node: Node, before: str, width: int, after: str) -> Iterable[str]:
    flat = before + _flat(node) + after
    if isinstance(node, str) or not node.items or cell_length(flat) <= width:
        yield flat
        return
    yield before + node.opening
    indent = before[: len(before) - len(before.lstrip())] + _INDENT
    if all(not label and isinstance(item, str) for label, item in node.items):
        yield from _filled([_flat(item) for _, item in node.items], indent, width)
    else:
        for label, item in node.items:
            yield from _pretty(item, indent + label, width, ",")
    yield indent.removesuffix(_INDENT) + node.closing + after


def _filled(texts: Sequence[str], indent: str, width: int) -> Iterable[str]:
    """Texts with commas, as many in a line as fit."""
    line = ""
    for text in texts:
        piece = text if text.startswith("...") else f"{text},"
        piece = piece if not line else f" {piece}"
        if line and cell_length(indent + line + piece) > width:
            yield indent + line
            line, piece = "", piece.lstrip()
        line += piece
    yield indent + line


def _group(kind: str, items: Sequence[tuple[str, Node]]) -> Group:
    opening, closing = _BRACKETS[kind]
    return Group(opening, items, closing)


def _class_name(path: str) -> str:
    return re.split("[.:]", path)[-1]


# --- payloads --------------------------------------------------------------------------------


def _payload_node(value: Any) -> Node:
    if isinstance(value, list):
        return _group("list", [("", _payload_node(item)) for item in value])
    if not isinstance(value, dict):
        return repr(value)
    if "$" not in value:
        return _group("dict", [(f"{key!r}: ", _payload_node(v)) for key, v in value.items()])
    build = _KINDS.get(value["$"])
    return build(value) if build else f"<{value['$']}>"  # of a newer version of this package


def _fields(value: Mapping[str, Any]) -> Node:
    if (encoded := picture_in_payload(value)) is not None:
        return f"<Image, {describe_picture(encoded)[1]}>"
    items = [(f"{name}=", _payload_node(v)) for name, v in value["fields"].items()]
    return Group(f"{_class_name(value['class'])}(", items, ")")


def _items(value: Mapping[str, Any]) -> Node:
    return _group(value["$"], [("", _payload_node(item)) for item in value["items"]])


def _dict(value: Mapping[str, Any]) -> Node:
    pairs = ((_flat(_payload_node(k)), _payload_node(v)) for k, v in value["items"])
    return _group("dict", [(f"{key}: ", item) for key, item in pairs])


def _enum(value: Mapping[str, Any]) -> Node:
    member = value["name"] if "name" in value else _flat(_payload_node(value.get("value")))
    return f"{_class_name(value['class'])}.{member}"


def _numpy(value: Mapping[str, Any]) -> Node:
    return repr(value["value"]) if "value" in value else f"<numpy {value['dtype']}>"


def _text_of(value: Mapping[str, Any]) -> Node:
    exact = base64.b64decode(value["value"]).decode("utf-8", "surrogatepass")
    return repr(exact)


def _moment(value: Mapping[str, Any]) -> Node:
    """A datetime or a time as ISO 8601 has it, and the name of its zone."""
    kind = datetime if value["$"] == "datetime" else time
    bare = kind.fromisoformat(value["value"]).replace(fold=value.get("fold", 0))
    zone, name = _zone(value.get("zone"))
    text = bare.replace(tzinfo=zone).isoformat()
    return f"{text} {name}" if name else text


def _zone(value: Mapping[str, Any] | None) -> tuple[tzinfo | None, str]:
    """A zone, as far as this machine knows it, and its name if it has one."""
    if value is None:
        return None, ""
    if value["$"] == "timezone":
        offset, *name = value["value"]
        return timezone(timedelta(*offset["value"])), "".join(name)
    try:
        return ZoneInfo(value["key"]), value["key"]
    except (OSError, KeyError, ValueError):  # other machines know other zones
        return None, value["key"]


def _timezone(value: Mapping[str, Any]) -> Node:
    zone, name = _zone(value)
    return f"timezone({name or zone})"


def _plain(form: str) -> Callable[[Mapping[str, Any]], Node]:
    return lambda value: form.format(value["value"])


_KINDS: dict[str, Callable[[Mapping[str, Any]], Node]] = {
    **dict.fromkeys(("dataclass", "model", "namedtuple"), _fields),
    **dict.fromkeys(("tuple", "set", "frozenset"), _items),
    "dict": _dict,
    "enum": _enum,
    "numpy": _numpy,
    "str": _text_of,
    "bytes": lambda value: repr(base64.b64decode(value["value"])),
    "int": _plain("0x{}"),
    "float": _plain("{}"),
    "complex": lambda v: "complex({}, {})".format(*(_flat(_payload_node(p)) for p in v["value"])),
    "range": lambda v: "range({}, {}, {})".format(*v["value"]),
    "decimal": _plain("Decimal('{}')"),
    "uuid": _plain("UUID('{}')"),
    "date": _plain("{}"),
    "datetime": _moment,
    "time": _moment,
    "timezone": _timezone,
    "timedelta": lambda v: "timedelta(days={}, seconds={}, microseconds={})".format(*v["value"]),
    "path": _plain("Path('{}')"),
    "pure_posix_path": _plain("PurePosixPath('{}')"),
    "pure_windows_path": _plain("PureWindowsPath('{}')"),
    "zoneinfo": lambda v: f"ZoneInfo('{v['key']}')",
}

# --- summaries -------------------------------------------------------------------------------

_PARTS = {"estimator": "parameters", "module": "children"}
"""Under which name summaries of these kinds have what is inside of the brackets."""


def _order_of(item: Any) -> tuple[bool, float, str]:
    if isinstance(item, int | float):
        return False, item, ""
    return True, 0, _flat(_summary_node(item))


def _summary_node(value: Any) -> Node:
    if not isinstance(value, dict):
        return repr(value)
    kind = value.get("kind", "object")
    name = _class_name(value.get("type", "object"))
    if kind == "scalar":
        return repr(value["value"])
    if kind == "text":
        return _cut_text(repr(value["text"]), value["length"] - len(value["text"]))
    if kind == "bytes":
        return f"<{format_size(value['length'])} of bytes, {value['hex'][:16]}...>"
    if kind == "enum":
        return f"{name}.{value['name']}"
    if kind in _PARTS:
        parts = [
            (f"{label}=", _summary_node(v)) for label, v in value.get(_PARTS[kind], {}).items()
        ]
        return Group(f"{name}(", parts or [("", value.get("settings", ""))], ")")
    if kind == "image":
        return f"<{name}, {value.get('mime_type') or _picture_size(value)}>"
    if kind in _BRACKETS and "items" in value:
        items = value["items"]
        if kind in _SETS:  # one order, so that equal ones are shown alike
            items = sorted(items, key=_order_of)
        return _group(kind, [*_summary_items(kind, items), *_rest(value)])
    if "fields" in value:
        items = [(f"{label}=", _summary_node(v)) for label, v in value["fields"].items()]
        return Group(f"{name}(", items, ")")
    if "shape" in value:
        return f"<{name}, {format_shape(value)}>"
    if "repr" in value:
        return str(value["repr"])
    return f"<{name}>"


def _picture_size(summary: Mapping[str, Any]) -> str:
    return " × ".join(f"{side:,}" for side in summary["size"])


def _summary_items(kind: str, items: Sequence[Any]) -> list[tuple[str, Node]]:
    if kind == "dict":
        return [(f"{_flat(_summary_node(k))}: ", _summary_node(v)) for k, v in items]
    return [("", _summary_node(item)) for item in items]


def _rest(value: Mapping[str, Any]) -> list[tuple[str, Node]]:
    hidden = value.get("length", 0) - len(value["items"])
    return [("", f"... {hidden:,} more")] if hidden > 0 else []


def _cut_text(text: str, hidden: int) -> str:
    return f"{text} ... {hidden:,} more characters" if hidden > 0 else text


def format_shape(summary: Mapping[str, Any]) -> str:
    """The size of an array or a frame, e.g. ``"1,000 rows × 3 columns"``."""
    shape = summary["shape"]
    if summary["kind"] == "frame":
        rows = f"{shape[0]:,} row{'' if shape[0] == 1 else 's'}"
        return f"{rows} × {shape[1]:,} column{'' if shape[1] == 1 else 's'}" if shape[1:] else rows
    dtype = f" of {summary['dtype']}" if "dtype" in summary else ""
    return " × ".join(f"{length:,}" for length in shape) + dtype if shape else f"scalar{dtype}"
