"""Futures where no walk through containers finds them: looked for only to say so."""

import gc
import inspect
import types
from collections.abc import Collection, Iterable
from typing import Any

from sematic.containers import parts
from sematic.future import AbstractFuture, Future, Operation, Selection

_MOST_OBJECTS = 20_000
_WITHOUT_PARTS = (type, types.ModuleType, types.BuiltinFunctionType, types.FrameType)


def find_holder(values: Iterable[object], ids: Collection[str]) -> tuple[Future, object] | None:
    """A future that ``values`` hold, and the object inside of which it is not found.

    Args:
        values: where to look: containers, futures, anything.
        ids: of the futures to look for.
    """
    stack: list[tuple[object, object]] = [(value, None) for value in values]
    seen: dict[int, object] = {}  # kept, so that their ids stay their own
    while stack and len(seen) < _MOST_OBJECTS:
        item, holder = stack.pop()
        if id(item) in seen or isinstance(item, _WITHOUT_PARTS):
            continue
        seen[id(item)] = item
        if isinstance(item, Future) and item.id in ids and holder is not None:
            return item, holder
        children = _future_parts(item) if isinstance(item, AbstractFuture) else parts(item)
        if not children and not isinstance(item, AbstractFuture):
            children, holder = _referents(item), item if holder is None else holder
        stack.extend((child, holder) for child in children)
    return None


def _future_parts(future: AbstractFuture) -> list[object]:
    if isinstance(future, Future):
        return list(future.kwargs.values())
    if isinstance(future, Selection):
        return [future._source, future._key]
    return list(future._operands) if isinstance(future, Operation) else []


def _referents(item: Any) -> list[object]:
    """What an object holds; of code not its module, in which everything is."""
    if isinstance(item, types.GeneratorType):
        return list(inspect.getgeneratorlocals(item).values())
    if isinstance(item, types.FunctionType):
        cells = item.__closure__ or ()
        return [*cells, *(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values()]
    return list(gc.get_referents(item))
