"""What tells functions apart that have one path: their code, and the variables they close over.

``make(2)`` and ``make(3)`` may each return a ``make.<locals>.scale``. A function that is defined
twice in a module has one path too. Outputs of the one must never be taken for those of the other.
"""

import dataclasses
import enum
import functools
import hashlib
import warnings
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, ModuleType
from typing import Any

from sematic.code_places import place_of_closure
from sematic.types.names import canonical_module

_MOST_PARTS = 10_000
"""Digests are made again for each call: what is larger is not looked through."""
_MOST_DEPTH = 50

_told: set[CodeType] = set()
_first_of: dict[tuple[str, str, str | None], CodeType] = {}


class NotDigestible(Exception):
    """A variable has no digest that is the same in every process; the message says which."""


def is_told_by_name(func: Callable[..., Any], file: str | None) -> bool:
    """Whether a function's path tells it from all others of its file, as far as is known.

    To be asked once, when it is decorated: of several of one path the first one is.

    Args:
        func: a plain function.
        file: of its module, from :func:`sematic.code_places.file_of`.
    """
    if "<locals>" in func.__qualname__:
        return False
    key = (func.__module__, func.__qualname__, file)
    first = _first_of.setdefault(key, func.__code__)
    # A module that is imported anew has equal code. What is closed over may be anything.
    return first is func.__code__ or (first == func.__code__ and not func.__closure__)


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """What is known of a decorated function in a variable.

    Attributes:
        path: importable path.
        place: of its file, see :mod:`sematic.code_places`.
        func: the plain function, where path and place do not tell it from others.
    """

    path: str
    place: str | None
    func: Callable[..., Any] | None


def digest_closure(func: Callable[..., Any], describe: Callable[[object], Named | None]) -> str:
    """40 hex digits of a function's code and of the variables it closes over, as they are now.

    The same in every process of one version of Python where the variables have equal values. Its
    defaults are not part of it: they are arguments of its calls.

    Args:
        func: a plain function.
        describe: what is known of a decorated function; ``None`` for any other object.

    Raises:
        NotDigestible: a variable holds something else than plain values, functions and classes.
    """
    return _Digest(describe).of_function(func).hex()


def place_in_closure(
    func: Callable[..., Any], place: str, describe: Callable[[object], Named | None]
) -> str | None:
    """What tells a function from others of its path and its place.

    ``None`` where a variable has no digest: a warning says so.

    Args:
        func: as for :func:`digest_closure`.
        place: of its file or its source.
        describe: as for :func:`digest_closure`.
    """
    try:
        return place_of_closure(place, digest_closure(func, describe))
    except NotDigestible as error:
        _tell_not_cached(func, error)
        return None


def _tell_not_cached(func: Callable[..., Any], error: NotDigestible) -> None:
    """Warn, once per function definition, that its outputs are not cached, and why."""
    if func.__code__ in _told:
        return
    _told.add(func.__code__)
    warnings.warn(
        f"Outputs of {func.__module__}.{func.__qualname__} are not cached: it uses the variable "
        f"{error}, by which it cannot be told from others of its name. Make it an argument.",
        stacklevel=4,
    )


class _Digest:
    def __init__(self, describe: Callable[[object], Named | None]) -> None:
        self._describe = describe
        self._parts = 0
        self._depth = 0
        self._inside: list[object] = []

    def of_function(self, func: Any, *more: object) -> bytes:
        for index, outer in enumerate(self._inside):
            if outer is func:  # one that calls itself has itself in a variable
                return _hash("again", [str(index).encode()])
        self._inside.append(func)
        code = func.__code__
        name = f"{canonical_module(func.__module__)}.{func.__qualname__}"
        parts = [name.encode(), self._of_code(code), *map(self.of, more)]
        for variable, cell in zip(code.co_freevars, func.__closure__ or (), strict=True):
            try:
                parts.append(self._of_cell(cell))
            except NotDigestible as error:
                raise NotDigestible(f"{variable!r}, {error}") from None
        self._inside.pop()
        return _hash("function", parts)

    def _of_cell(self, cell: Any) -> bytes:
        try:
            value = cell.cell_contents
        except ValueError:  # nothing is assigned to it yet
            return _hash("empty", [])
        return self.of(value)

    def _of_code(self, code: CodeType) -> bytes:
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        exceptions = getattr(code, "co_exceptiontable", b"")  # since Python 3.11
        return _hash(
            "code", map(self.of, (code.co_code, code.co_consts, names, counts, exceptions))
        )

    def of(self, value: Any) -> bytes:
        self._parts += 1 + (len(value) // 1000 if type(value) in (str, bytes) else 0)
        self._depth += 1
        if self._parts > _MOST_PARTS or self._depth > _MOST_DEPTH:
            raise NotDigestible("which is too large")
        digest = self._of(value)
        self._depth -= 1
        return digest

    def _of(self, value: Any) -> bytes:
        kind = type(value)
        plain = _PLAIN.get(kind)
        if plain is not None:
            return _hash(kind.__name__, [plain(value)])
        if kind in (list, tuple):
            return _hash(kind.__name__, map(self.of, value))
        if kind in (set, frozenset):
            return _hash(kind.__name__, sorted(map(self.of, value)))
        if kind is dict:
            return _hash("dict", map(self.of, (part for item in value.items() for part in item)))
        if kind is CodeType:
            return self._of_code(value)
        return self._of_object(value)

    def _of_object(self, value: Any) -> bytes:
        known = self._describe(value)
        if known is not None:
            return self._of_decorated(known)
        if isinstance(value, type):
            return _hash("class", [_class_name(value)])
        if isinstance(value, ModuleType):
            return _hash("module", [value.__name__.encode()])
        if type(value) is FunctionType:
            return self.of_function(value, value.__defaults__, value.__kwdefaults__)
        if type(value) is BuiltinFunctionType and isinstance(value.__self__, ModuleType | None):
            return _hash("builtin", [f"{value.__module__}.{value.__qualname__}".encode()])
        members = _members(value)
        if members is None:
            raise NotDigestible(f"which has a {type(value).__qualname__}")
        return _hash("object", [_class_name(type(value)), *map(self.of, members)])

    def _of_decorated(self, known: Named) -> bytes:
        if known.place is None:
            raise NotDigestible(f"which has {known.path}, a function without source code")
        parts = [known.path.encode(), known.place.encode()]
        if known.func is not None:
            parts.append(self.of_function(known.func))
        return _hash("decorated", parts)


def _members(value: Any) -> tuple[object, ...] | None:
    """What an object of a known kind is made of, beside its class."""
    kind: Any = type(value)
    name = (kind.__module__.partition(".")[0], kind.__qualname__)
    if isinstance(value, enum.Enum) and value.name is not None:
        return (value.name,)
    if name in _WITH_ZONE:
        zone = type(value.tzinfo)
        known = value.tzinfo is None or (zone.__module__, zone.__qualname__) in _REPRESENTED
        return (repr(value),) if known else None
    if name in _REPRESENTED:
        return (repr(value),)
    if kind is functools.partial:
        return (value.func, value.args, value.keywords)
    if kind.__bases__ == (tuple,) and hasattr(kind, "_fields"):
        return tuple(value)
    if kind.__mro__[:-1] and all(map(_is_plain_base, kind.__mro__)):
        names = {field.name for field in dataclasses.fields(kind)}
        if names >= set(getattr(value, "__dict__", ())):
            return tuple((name, getattr(value, name)) for name in sorted(names))
    return None


def _is_plain_base(base: type) -> bool:
    return base is object or "__dataclass_fields__" in vars(base)


def _class_name(cls: type) -> bytes:
    if "<locals>" in cls.__qualname__:
        raise NotDigestible(f"which has a class made inside of a function, {cls.__qualname__}")
    return f"{canonical_module(cls.__module__)}.{cls.__qualname__}".encode()


def _hash(kind: str, parts: Iterable[bytes]) -> bytes:
    hasher = hashlib.sha1(kind.encode() + b"\0")
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little") + part)
    return hasher.digest()


def _represent(value: object) -> bytes:
    return repr(value).encode()


_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): _represent,
    EllipsisType: _represent,
    bool: _represent,
    int: lambda value: hex(value).encode(),  # digits beyond 4,300 are refused
    float: lambda value: value.hex().encode(),
    complex: lambda value: f"{value.real.hex()} {value.imag.hex()}".encode(),
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: bytes,
    range: _represent,
}
# By name: none of these is imported for it.
_WITH_ZONE = {("datetime", "datetime"), ("datetime", "time")}
_REPRESENTED = {
    ("datetime", "date"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("zoneinfo", "ZoneInfo"),
    ("decimal", "Decimal"),
    ("fractions", "Fraction"),
    ("uuid", "UUID"),
    ("pathlib", "PosixPath"),
    ("pathlib", "PurePosixPath"),
}
