"""What tells functions apart that have one path: their code, and the variables they close over.

``make(2)`` and ``make(3)`` may each return a ``make.<locals>.scale``. A function that is defined
twice in a module has one path too, and so has what a decorator of the user's own makes of it: of
``@scaled(2)`` and ``@scaled(3)`` only a variable tells. Outputs of the one must never be taken for
those of the other.
"""

import dataclasses
import enum
import functools
import hashlib
import warnings
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, ModuleType
from typing import Any, TypeAlias

from sematic.code_places import place_of_closure
from sematic.types.names import canonical_module

_MOST_PARTS = 10_000
"""Digests are made again for each call: what is larger is not looked through."""
_MOST_DEPTH = 50

_told: set[CodeType] = set()
_first_of: dict[tuple[str, str, str | None], Callable[..., Any]] = {}


class NotDigestible(Exception):
    """A variable has no digest that is the same in every process; the message says which."""


class TooLarge(NotDigestible):
    """A variable is too large to be looked through for each call."""


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """What is known of a decorated function in a variable.

    Attributes:
        path: importable path.
        place: of its file, see :mod:`sematic.code_places`.
        func: the plain function.
        by_name: whether its code needs not be known to tell it from others of this path and place.
    """

    path: str
    place: str | None
    func: Callable[..., Any]
    by_name: bool


Describe: TypeAlias = Callable[[object], Named | None]
"""What is known of a decorated function; ``None`` for any other object."""


def is_told_by_name(func: Callable[..., Any], file: str | None, describe: Describe) -> bool:
    """Whether no code is needed to tell a function from all others of its file, as far as is known.

    To be asked once, when it is decorated: of several of one path the first one is. Where it closes
    over values, these tell it from others, see :func:`place_in_closure`.

    Args:
        func: a plain function.
        file: of its module, from :func:`sematic.code_places.file_of`.
        describe: see :data:`Describe`.
    """
    if "<locals>" in func.__qualname__:
        return False
    first = _first_of.setdefault((func.__module__, func.__qualname__, file), func)
    if first is func:
        return True
    if first.__code__ != func.__code__:
        return False
    # A module that is imported anew has equal code. What is closed over may be anything.
    return not func.__closure__ or _are_alike(first, func, describe)


def _are_alike(first: Callable[..., Any], second: Callable[..., Any], describe: Describe) -> bool:
    try:
        return digest_closure(first, describe) == digest_closure(second, describe)
    except NotDigestible:
        return False


def digest_closure(func: Callable[..., Any], describe: Describe) -> str:
    """40 hex digits of a function's code and of the variables it closes over, as they are now.

    The same in every process of one version of Python where the variables have equal values. Its
    defaults are not part of it: they are arguments of its calls.

    Args:
        func: a plain function.
        describe: see :data:`Describe`.

    Raises:
        NotDigestible: a variable holds something else than plain values, functions and classes.
    """
    return _Digest(describe).of_function(func).hex()


def place_in_closure(
    func: Callable[..., Any], place: str, describe: Describe, *, by_name: bool
) -> str | None:
    """What tells a function from others of its path and its place.

    One that is told by its name is what a decorator of the user's own has made: the values that it
    closes over count, and functions by their names. What else a decorator may hold on to, such as a
    lock or a logger, is no more compared than a global variable is.

    ``None`` where a variable has no digest: a warning says so.

    Args:
        func: as for :func:`digest_closure`.
        place: of its file or its source.
        describe: as for :func:`digest_closure`.
        by_name: from :func:`is_told_by_name`.
    """
    if by_name and not func.__closure__:
        return place
    try:
        if not by_name:
            return place_of_closure(place, digest_closure(func, describe))
        values = _Digest(describe).of_values(func)
        return place if values is None else place_of_closure(place, values.hex())
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
    def __init__(self, describe: Describe) -> None:
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
                raise type(error)(f"{variable!r}, {error}") from None
        self._inside.pop()
        return _hash("function", parts)

    def of_values(self, func: Any) -> bytes | None:
        """The variables of a function that is told by its name; ``None`` where nothing counts."""
        if any(outer is func for outer in self._inside):
            return None
        depth, inside = self._depth, len(self._inside)
        self._inside.append(func)
        parts: list[bytes] = []
        for variable, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
            try:
                part = self._of_named(cell.cell_contents, func)
            except TooLarge as error:
                raise TooLarge(f"{variable!r}, {error}") from None
            except (NotDigestible, ValueError):  # of the latter kind are those not assigned yet
                part = None
                self._depth = depth
                del self._inside[inside + 1 :]
            if part is not None:
                parts += (variable.encode(), part)
        self._inside.pop()
        return _hash("values", parts) if parts else None

    def _of_named(self, value: Any, user: Any) -> bytes | None:
        if type(value) is not FunctionType or "<" in value.__qualname__:
            return self.of(value)
        values = self.of_values(value)
        name = (value.__module__, value.__qualname__)
        if name == (user.__module__, user.__qualname__):  # what was decorated
            return values
        path = f"{canonical_module(value.__module__)}.{value.__qualname__}"
        return _hash("named", [path.encode(), values or b""])

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
            raise TooLarge("which is too large")
        digest = self._of(value)
        self._depth -= 1
        return digest

    def _of(self, value: Any) -> bytes:
        kind = type(value)
        plain = _PLAIN.get(kind)
        if plain is not None:
            return _hash(kind.__name__, [plain(value)])
        if kind in (list, tuple, set, frozenset):
            digests = map(self.of, tuple(value))  # a copy: a function may be changing it right now
            return _hash(kind.__name__, digests if kind in (list, tuple) else sorted(digests))
        if kind is dict:
            items = tuple(value.items())
            return _hash("dict", map(self.of, (part for item in items for part in item)))
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
        values = self.of_values(known.func) if known.by_name else self.of_function(known.func)
        if values is not None:
            parts.append(values)
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
            return _fields_of(value, sorted(names))
    return None


def _fields_of(value: Any, names: Iterable[str]) -> tuple[object, ...] | None:
    fields = []
    for name in names:
        try:
            fields.append((name, getattr(value, name)))
        except AttributeError:  # not set, or not yet
            continue
        except Exception:  # noqa: BLE001 - a property of the user's may raise anything
            return None
    return tuple(fields)


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
