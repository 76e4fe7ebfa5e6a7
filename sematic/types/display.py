"""Values and types as they are shown in errors: short, and whatever the value."""

import dataclasses
from collections.abc import Iterable
from typing import Any

_ROOM = 200
_DEPTH = 6
_MOST_BITS = 2000
_DIGITS_PER_BIT = 0.30103
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
}


def short_repr(value: object, room: int = _ROOM) -> str:
    """``repr(value)``, cut after ``room`` characters; never raises.

    Large containers and texts are not rendered in full first.
    """
    text = _render(value, room, _DEPTH)
    return text if len(text) <= room else text[: room - 3] + "..."


def _render(value: Any, room: int, depth: int) -> str:
    try:
        return _render_known(value, room, depth)
    except Exception:  # noqa: BLE001  a user's __repr__ may raise anything, and is not the topic
        return f"<{type(value).__qualname__} object whose repr failed>"


def _render_known(value: Any, room: int, depth: int) -> str:
    kind = type(value)
    if kind in (str, bytes):
        return repr(value[: room + 1])
    if kind is int and value.bit_length() > _MOST_BITS:  # Python may refuse to write its digits
        return f"<int of {value.bit_length() * _DIGITS_PER_BIT:,.0f} digits>"
    if kind in _BRACKETS and value:
        return _render_container(value, room, depth)
    if _has_generated_repr(kind):
        return _render_dataclass(value, room, depth)
    return repr(value)


def _render_container(value: Any, room: int, depth: int) -> str:
    opening, closing = _BRACKETS[type(value)]
    if depth == 0:
        return f"{opening}...{closing}"
    if type(value) is dict:
        parts = (
            f"{_render(key, room, depth - 1)}: {_render(item, room, depth - 1)}"
            for key, item in value.items()
        )
    else:
        parts = (_render(item, room, depth - 1) for item in value)
    inside = _join(parts, room)
    comma = "," if type(value) is tuple and len(value) == 1 else ""
    return f"{opening}{inside}{comma}{closing}"


def _has_generated_repr(kind: type) -> bool:
    # The one that dataclasses write is wrapped to stop at recursion.
    return dataclasses.is_dataclass(kind) and hasattr(kind.__repr__, "__wrapped__")


def _render_dataclass(value: Any, room: int, depth: int) -> str:
    name = type(value).__qualname__
    if depth == 0:
        return f"{name}(...)"
    parts = (
        f"{field.name}={_render(getattr(value, field.name, '<missing>'), room, depth - 1)}"
        for field in dataclasses.fields(value)
        if field.repr
    )
    return f"{name}({_join(parts, room)})"


def _join(parts: Iterable[str], room: int) -> str:
    """The parts with commas between, as many as it takes to fill the room."""
    joined: list[str] = []
    length = 0
    for part in parts:
        joined.append(part)
        length += len(part) + 2
        if length > room:
            break
    return ", ".join(joined)
