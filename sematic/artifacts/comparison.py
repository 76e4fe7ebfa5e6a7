"""Whether two values are the same, where their pickles may differ though they are.

The pickle of an object in which there is a set of texts is another one in each process, for it has
the order of their hashes; and a text that occurs twice is written once or twice, by whether it is
one object.
"""

import io
import pickle
from collections.abc import Iterable
from types import FunctionType
from typing import Any

from blake3 import blake3

from sematic.artifacts.codecs.pickler import Pickler

_TOLD_BY_REPR = (float, complex, bool, type(None), type(...), type(NotImplemented))


def same_values(first: object, second: object) -> bool:
    """Whether two values, both read from a store, are made of the same parts.

    The order of sets does not count, nor which texts and numbers in them are one object; that of
    dicts and lists does. Their classes' ``__eq__`` is not asked: it may compare less than all.
    """
    try:
        return _Digests().of(first) == _Digests().of(second)
    except RecursionError:  # pickle goes deeper: what cannot be compared counts as another one
        return False


class _Digests:
    """Hashes of values, by what pickle would make of them."""

    def __init__(self) -> None:
        self._pickler = Pickler(io.BytesIO(), protocol=5)
        # What has been taken apart, in this order, by id, and kept so that its id stays its own.
        self._seen: dict[int, tuple[int, object]] = {}
        self._made: list[object] = []  # for the same reason

    def of(self, value: object) -> bytes:
        """The hash of a value."""
        digest = _digest_atom(value)
        if digest is not None:
            return digest
        if id(value) in self._seen:
            return _hash("seen", [b"%d" % self._seen[id(value)][0]])
        self._seen[id(value)] = len(self._seen), value
        return self._take_apart(value)

    def _take_apart(self, value: Any) -> bytes:
        kind = type(value)
        if kind in (list, tuple):
            return _hash(kind.__name__, map(self.of, value))
        if kind in (set, frozenset):
            return _hash(kind.__name__, sorted(map(self._of_alone, value)))
        if kind is dict:
            return _hash("dict", (self.of(part) for pair in value.items() for part in pair))
        return self._reduced(value)

    def _of_alone(self, value: object) -> bytes:
        """The hash of a part of a set: what was seen in others before it does not count."""
        seen = len(self._seen)
        digest = self.of(value)
        while len(self._seen) > seen:
            self._made.append(self._seen.popitem()[1])
        return digest

    def _reduced(self, value: Any) -> bytes:
        reduced = self._reduce(value)
        if isinstance(reduced, str):
            return _hash("name", [f"{getattr(value, '__module__', '')}:{reduced}".encode()])
        self._made.append(reduced)
        function, arguments, state, items, pairs, setter = (*reduced, *[None] * 4)[:6]
        parts = [function, arguments, state, list(items or ()), list(pairs or ()), setter]
        self._made.append(parts)
        return _hash("object", map(self.of, parts))

    def _reduce(self, value: Any) -> Any:
        """What pickle would make it from, or the name by which it would be found."""
        reduced = self._pickler.reducer_override(value)
        if reduced is not NotImplemented:
            return reduced
        if isinstance(value, (type, FunctionType)):
            return value.__qualname__
        own = self._pickler.dispatch_table.get(type(value))
        return own(value) if own is not None else value.__reduce_ex__(5)


def _digest_atom(value: Any) -> bytes | None:
    """The hash of a value that has no parts; ``None`` of any other."""
    kind = type(value)
    if kind is str:
        return _hash("str", [value.encode("utf-8", "surrogatepass")])
    if kind is int:
        return _hash("int", [hex(value).encode()])  # of decimal digits there is a limit
    if kind in _TOLD_BY_REPR:
        return _hash(kind.__name__, [repr(value).encode()])
    if kind in (bytes, bytearray):
        return _hash(kind.__name__, [value])
    if kind is pickle.PickleBuffer:
        return _hash("buffer", [value.raw()])
    return None


def _hash(kind: str, parts: Iterable[Any]) -> bytes:
    hasher = blake3(kind.encode())
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.digest()
