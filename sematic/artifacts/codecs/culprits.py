"""Where in a value the part is that cannot be pickled."""

import dataclasses
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from sematic.artifacts.codecs.pickler import Pickler
from sematic.artifacts.summaries import type_name
from sematic.types.unstorable import advise

_MAX_STEPS = 20
_MAX_PARTS = 1000


def explain(value: object, error: BaseException) -> str:
    """A sentence that says what cannot be pickled, where it is, and what to do."""
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        return (
            f"Cannot store the value: this {type_name(value)} is nested too deeply to be "
            "pickled. Return a flat list, with indices or names in place of nesting."
        )
    try:
        path, owner, part = _find_culprit(value)
    except Exception:  # noqa: BLE001  the user's own __getattr__ or __repr__: tell what we know
        path, owner, part = "", "", value
    where = f"{path} of {owner}" if path else "it"
    return (
        f"Cannot store the value: {where} is a {type_name(part)}, which cannot be pickled "
        f"({error}). {advise(part)}"
    )


def _find_culprit(value: object) -> tuple[str, str, object]:
    """Path from the value, the type that the path starts from, and the part itself."""
    path: list[str] = []
    part = value
    owner = type_name(value)
    for _ in range(_MAX_STEPS):
        for name, child in _iter_parts(part):
            if not _is_picklable(child):
                # The path starts anew at every object: its fields are what the reader knows.
                if name.startswith("field "):
                    path, owner = [], type_name(part)
                path.append(name)
                part = child
                break
        else:
            break
    return " of ".join(reversed(path)), owner, part


def _iter_parts(value: Any) -> Iterator[tuple[str, object]]:
    for index, (name, part) in enumerate(_all_parts(value)):
        if index == _MAX_PARTS:
            return
        yield name, part


def _all_parts(value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"item {key!r:.60}", item
            yield f"key {key!r:.60}", key
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield f"item {index}", item
    elif callable(value) and getattr(value, "__closure__", None):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__, strict=True):
            yield f"variable {name!r}", cell.cell_contents
    else:
        yield from ((f"field {name!r}", part) for name, part in _fields(value).items())


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, type):
        return {}
    fields = dict(getattr(value, "__dict__", {}))
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                fields.setdefault(field.name, getattr(value, field.name))
    return fields


class _Nothing:
    """A file for what is only tried."""

    def write(self, data: Any) -> int:
        return len(data)


def _is_picklable(value: object) -> bool:
    try:
        Pickler(_Nothing(), protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=lambda _: None).dump(
            value
        )
    except Exception:  # noqa: BLE001  whatever it is: this is the part
        return False
    return True
