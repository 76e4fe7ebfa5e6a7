"""Which dataclasses, enums and named tuples are plain data, and how they are put together again.

No code of the class runs in either direction: no ``__init__``, no ``__post_init__``.
"""

import dataclasses
import functools
from collections.abc import Mapping
from enum import Enum, Flag
from typing import Any

from sematic.artifacts.codecs.classes import class_name
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.errors import ArtifactError, CorruptArtifactError

_PICKLING_HOOKS = (
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)
# Frozen dataclasses with slots get a pair of hooks, and so do all pydantic models.
_KNOWN_HOOKS = ("dataclasses", "pydantic.main", "pydantic.root_model")
_PLAIN_NEW: object = object.__new__


def is_named_tuple(cls: type) -> bool:
    """Whether a class was made by ``namedtuple`` or ``NamedTuple`` itself, not derived from one."""
    return tuple in cls.__bases__ and isinstance(getattr(cls, "_fields", None), tuple)


def read_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance, in order.

    Raises:
        NotEncodable: fields are not all there is to it.
    """
    cls: Any = type(value)
    names, derived = _field_names(cls)
    if names is None:
        raise NotEncodable
    state = getattr(value, "__dict__", None)
    if state and not state.keys() - derived <= names.keys():
        raise NotEncodable
    try:
        return {name: getattr(value, name) for name in names}
    except AttributeError:
        raise NotEncodable from None


@functools.lru_cache(maxsize=1024)
def _field_names(cls: Any) -> tuple[dict[str, None] | None, frozenset[str]]:
    """The names of the fields, if fields are the state, and attributes that need not be kept."""
    names = {field.name: None for field in dataclasses.fields(cls)}
    if cls.__new__ is not _PLAIN_NEW or has_pickling_hooks(cls):
        return None, frozenset()
    slots = {slot for base in cls.__mro__ for slot in _slots(base)}
    if not slots - {"__dict__", "__weakref__"} <= names.keys():
        return None, frozenset()
    cached = {
        name
        for base in cls.__mro__
        for name, attribute in vars(base).items()
        if isinstance(attribute, functools.cached_property)
    }
    return names, frozenset(cached | {"__orig_class__"})


def _slots(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def has_pickling_hooks(cls: type) -> bool:
    """Whether a class says itself how it is pickled."""
    for base in cls.__mro__[:-1]:
        for hook in _PICKLING_HOOKS:
            own = base.__dict__.get(hook)
            if own is not None and getattr(own, "__module__", None) not in _KNOWN_HOOKS:
                return True
    return False


def build_dataclass(cls: type, fields: Mapping[str, Any]) -> Any:
    """An instance with these fields; fields that the class got since have their defaults.

    Raises:
        ArtifactError: a field that the class got since has no default.
    """
    if not dataclasses.is_dataclass(cls):
        raise ArtifactError(f"{class_name(cls)} was stored as a dataclass and is none any more.")
    made = object.__new__(cls)
    for field in dataclasses.fields(cls):
        value = fields[field.name] if field.name in fields else _default(cls, field)
        object.__setattr__(made, field.name, value)
    return made


def _default(cls: type, field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise ArtifactError(
        f"{class_name(cls)} has a field {field.name!r} that it did not have when this value was "
        "stored. Give the field a default, or compute the value again."
    )


def build_named_tuple(cls: type, fields: Mapping[str, Any]) -> Any:
    """A named tuple; fields that the class got since have their defaults.

    Raises:
        ArtifactError: a field that the class got since has no default.
    """
    if not is_named_tuple(cls):
        raise ArtifactError(f"{class_name(cls)} was stored as a named tuple and is none any more.")
    values = {**getattr(cls, "_field_defaults", {}), **fields}
    names: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    missing = [name for name in names if name not in values]
    if missing:
        raise ArtifactError(
            f"{class_name(cls)} has a field {missing[0]!r} that it did not have when this value "
            "was stored. Give the field a default, or compute the value again."
        )
    return tuple.__new__(cls, [values[name] for name in names])


def enum_key(value: Enum) -> tuple[str, Any]:
    """What names a member: its name, for flags their value (combinations have no name)."""
    return ("value", value.value) if isinstance(value, Flag) else ("name", value.name)


def build_enum(cls: type, key: Mapping[str, Any]) -> Any:
    """The member of an enum.

    Raises:
        ArtifactError: the enum has no such member any more.
    """
    if not issubclass(cls, Enum):
        raise ArtifactError(f"{class_name(cls)} was stored as an enum and is none any more.")
    try:
        if issubclass(cls, Flag):
            return cls(key["value"])
        return cls[key["name"]]
    except (KeyError, ValueError) as error:
        if not key.keys() & {"name", "value"}:
            raise CorruptArtifactError("an enum member has no name") from error
        raise ArtifactError(
            f"{class_name(cls)} has no member {key.get('name', key.get('value'))!r} any more. "
            "Bring it back, or compute the value again."
        ) from error
