"""Futures where no walk through containers finds them: looked for only to say so."""

import gc
import inspect
import re
import sys
import types
from collections.abc import Collection, Iterable
from typing import Any

from sematic.containers import parts
from sematic.errors import SematicError
from sematic.future import AbstractFuture, Future, Operation, Selection

_MOST_OBJECTS = 20_000
_ASKING_FOR_VALUES = (TypeError, ValueError, KeyError, IndexError, AttributeError)
_NAMES = "|".join(kind.__name__ for kind in (Future, Selection, Operation))
# As Python and libraries name a type: "of type Future", "not Future", "instance, Future found".
_KINDS = re.compile(rf"(?:\btype |\bnot |, |')({_NAMES})\b")
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


def explain_mistaken(error: BaseException, created: Collection[Future]) -> None:
    """Add to what Python or a library says of a future what it is, where nothing of ours was asked.

    ``json.dumps(future)`` and ``", ".join([future])`` ask an object for nothing but its type. The
    words of an exception are all that there is to go by, so it stays what it is.

    Args:
        error: what a function raised. On Python 3.10, which knows no notes, nothing is added.
        created: the futures that it made.
    """
    if sys.version_info < (3, 11) or not created or isinstance(error, SematicError):
        return
    kind = _named_kind(error) if isinstance(error, _ASKING_FOR_VALUES) else None
    if kind is not None:
        error.add_note(
            f"{kind!r} stands for a value of this pipeline that is not known yet. Pass it to "
            "another @sematic.func and use its value there."
        )


def _named_kind(error: BaseException) -> str | None:
    """The kind of future that an exception speaks of, by its name."""
    for argument in error.args:
        if isinstance(argument, AbstractFuture):
            return type(argument).__name__
        found = _KINDS.search(argument) if isinstance(argument, str) else None
        if found is not None:
            return found[1]
    return None


def _future_parts(future: AbstractFuture) -> list[object]:
    if isinstance(future, Future):
        return list(future.kwargs.values())
    if isinstance(future, Selection):
        return [future._source, future._key]
    return list(future._operands) if isinstance(future, Operation) else []


def _referents(item: Any) -> list[object]:
    """What an object holds; of code not its module, in which everything is."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(item, numpy.ndarray):  # the collector does not look inside
        return list(item.flat[:_MOST_OBJECTS].tolist()) if item.dtype.hasobject else []
    if isinstance(item, types.GeneratorType):
        return list(inspect.getgeneratorlocals(item).values())
    if isinstance(item, types.FunctionType):
        cells = item.__closure__ or ()
        return [*cells, *(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values()]
    return list(gc.get_referents(item))
