"""Pickles in which sets have the same order in every process.

The order of a set of texts depends on the hash seed of the process, and that of a set of objects on
their addresses. Python's pickler asks nobody before it writes a set, other than for a persistent
id, which takes a call of Python for each object: so values are pickled without first, and again
where there are sets in them.
"""

import gc
import io
import pickle
from collections.abc import Callable
from typing import Any

from sematic.artifacts.codecs.pickler import Pickler

# EMPTY_SET MEMOIZE MARK and FROZENSET MEMOIZE: opcodes, and bytes that may be anything else.
_EMPTY_SET, _FROZENSET = b"\x8f\x94(", b"\x91\x94"
_TEXTS = ({str}, {int}, {bytes})
_ATOMS = {str, int, bytes, float, bool, complex, type(None)}
_LEAST_BUDGET = 1024 * 1024
_BUDGET_FACTOR = 8


def has_sets(pickler: Pickler, content: bytes) -> bool:
    """Whether there are sets in what was pickled whose elements have an order.

    Args:
        pickler: that has pickled it: it remembers every container.
        content: the pickle, of protocol 5.
    """
    if _EMPTY_SET not in content and _FROZENSET not in content:
        return False
    collects = gc.isenabled()
    gc.disable()  # it would look through all objects, again and again, for each being remembered
    try:
        return any(map(_has_order, (obj for _, obj in pickler.memo.copy().values())))
    finally:
        if collects:
            gc.enable()


def _has_order(obj: object) -> bool:
    return type(obj) in (set, frozenset) and len(obj) > 1  # type: ignore[arg-type]


def dump_sorted(
    value: object, content: bytes, keep: Callable[[pickle.PickleBuffer], object]
) -> bytes | None:
    """The pickle of a value with its sets in order, to be read by :func:`load_sorted`.

    ``None`` where there is nothing to be put in order, or sets contain what contains them.

    Args:
        value: it could be pickled.
        content: its pickle. Where elements can only be ordered by their own pickles, these take
            a few times its size at most; what is left is not put in order then.
        keep: takes each buffer.
    """
    stream = io.BytesIO()
    order = _Order(max(_LEAST_BUDGET, _BUDGET_FACTOR * len(content)))
    try:
        _SortingPickler(order, stream, protocol=5, buffer_callback=keep).dump(value)
    except (RecursionError, pickle.PicklingError) as error:
        if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
            return None  # it is deeper than without, by what stands for the sets
        raise
    return stream.getvalue() if order.wrappers else None


def load_sorted(content: Any, buffers: Any) -> object:
    """The value of a pickle that :func:`dump_sorted` made."""
    return _Unpickler(io.BytesIO(content), buffers=buffers).load()


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        return pid  # the set itself, made by what its wrapper pickles as


class _Order:
    """What is known of the sets of one value."""

    def __init__(self, budget: int) -> None:
        # By id: the set, kept so that its id stays its own, and what stands for it.
        self.wrappers: dict[int, tuple[object, _InOrder]] = {}
        self._budget = budget

    def wrap(self, value: Any) -> "_InOrder | None":
        known = self.wrappers.get(id(value))
        if known is not None:
            return known[1]
        elements = self._sort(value)
        if elements is None:
            return None
        wrapper = _InOrder(type(value), elements)
        self.wrappers[id(value)] = (value, wrapper)
        return wrapper

    def _sort(self, value: Any) -> list[Any] | None:
        kinds = set(map(type, value))
        if kinds in _TEXTS:
            return sorted(value)
        if kinds <= _ATOMS:
            return sorted(value, key=lambda element: (type(element).__name__, repr(element)))
        keys: list[tuple[bytes, int]] = []
        elements = list(value)
        for index, element in enumerate(elements):
            if self._budget <= 0:
                return None
            keys.append((_pickle_element(element), index))
            self._budget -= len(keys[-1][0])
        return [elements[index] for _, index in sorted(keys)]


def _pickle_element(element: object) -> bytes:
    stream = io.BytesIO()
    _ElementPickler(stream, protocol=5).dump(element)
    return stream.getvalue()


class _SortingPickler(Pickler):
    def __init__(self, order: _Order, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._order = order

    def persistent_id(self, obj: Any) -> Any:
        if _has_order(obj):
            return self._order.wrap(obj)
        return None


class _ElementPickler(Pickler):
    """Of an element by whose pickle a set is put in order: only simple sets in it are in order."""

    def persistent_id(self, obj: Any) -> Any:
        if _has_order(obj) and _ATOMS.issuperset(map(type, obj)):
            return (type(obj), _Order(0).wrap(obj))
        return None


class _InOrder:
    """Pickles as a set whose elements have an order."""

    def __init__(self, kind: type, elements: list[Any]) -> None:
        self._kind = kind
        self._elements = elements
        self._asked = False

    def __reduce__(self) -> Any:
        if self._kind is frozenset:
            if self._asked:  # by one of its elements: it would be empty there
                raise RecursionError("recursion: a frozenset contains itself")
            self._asked = True
            return frozenset, (self._elements,)
        # Filled when it is known already, for it may be in one of its elements.
        return set, (), self._elements, None, None, set.update
