"""Dicts and lists that never change, for frozen dataclasses.

They are subclasses of ``dict`` and ``list``: they equal plain ones, go through JSON and pickle
(a ``MappingProxyType`` does neither) and are what ``dict[str, str]`` promises to readers.
"""

from collections.abc import Mapping
from typing import NoReturn, TypeVar

from sematic.errors import InvalidOptionError

Key = TypeVar("Key")
Value = TypeVar("Value")
Item = TypeVar("Item")


class FrozenDict(dict[Key, Value]):
    """A dict that refuses every change; ``dict(frozen)`` gives a plain one. Hashed by content."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type, tuple[dict[Key, Value]]]:
        return type(self), (dict(self),)


class FrozenList(list[Item]):
    """A list that refuses every change; ``list(frozen)`` gives a plain one. Hashed by content."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type, tuple[list[Item]]]:
        return type(self), (list(self),)


def _refuse_change(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError(
        "This value never changes once it is made: "
        "take a copy with dict(...) or list(...), change that and build anew from it"
    )


_CHANGES = "__setitem__ __delitem__ clear pop"
for _name in f"{_CHANGES} __ior__ popitem setdefault update".split():
    setattr(FrozenDict, _name, _refuse_change)
for _name in f"{_CHANGES} __iadd__ __imul__ append extend insert remove reverse sort".split():
    setattr(FrozenList, _name, _refuse_change)


def freeze_strings(name: str, value: object) -> FrozenDict[str, str]:
    """A frozen copy of a dict of str to str; ``name`` is for the error.

    Raises:
        InvalidOptionError: ``value`` is no dict, or holds something that is no str.
    """
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"{name} must be a dict of str to str, got: {value!r}")
    for key, text in value.items():
        if not isinstance(key, str):
            raise InvalidOptionError(f"{name} must be a dict of str to str, got the key: {key!r}")
        if not isinstance(text, str):
            raise InvalidOptionError(
                f"{name} must be a dict of str to str, got for {key!r}: {text!r}. "
                f"Write a string, such as {str(text)!r}."
            )
    return FrozenDict(value)


def freeze_list(name: str, value: object, kind: type[Item]) -> FrozenList[Item]:
    """A frozen copy of a list or tuple of ``kind``; ``name`` is for the error.

    Raises:
        InvalidOptionError: ``value`` is no list or tuple, or holds something else.
    """
    if not isinstance(value, (list, tuple)):
        raise InvalidOptionError(f"{name} must be a list of {kind.__name__}, got: {value!r}")
    for item in value:
        if not isinstance(item, kind):
            raise InvalidOptionError(
                f"{name} must be a list of {kind.__name__}, got in it: {item!r}"
            )
    return FrozenList(value)
