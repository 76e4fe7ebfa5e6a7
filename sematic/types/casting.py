"""Casting of values to annotations.

Casting is strict: a value must be an instance of its annotation, through and through. Only these
conversions are made, none of which loses anything:

- int from an integral float and from its exact decimal text; float from int and from text;
- list, tuple, set and frozenset from one another;
- an enum from the value of a member;
- a dataclass from a mapping, with its defaults, or from another dataclass that has all its fields;
- a pydantic model from a mapping that it validates strictly;
- Python's scalars from numpy's.

A bool is an int, as in Python, and is kept. An int that a float cannot represent is rounded, as
``float(...)`` does; one that is too large for any float is refused.
"""

import functools
import threading
from typing import Any

from sematic.types.casters import Cast, Caster, Compile, keep, mismatch
from sematic.types.classes import build_class, build_enum, build_literal, build_type
from sematic.types.containers import build_collection, build_mapping, build_tuple
from sematic.types.dataclass_casts import build_dataclass
from sematic.types.forms import Form, Kind, form_of
from sematic.types.keys import TypeKey
from sematic.types.model_casts import build_model
from sematic.types.records import build_named_tuple, build_typed_dict
from sematic.types.scalars import build_scalar
from sematic.types.unions import build_union

_MOST_KEPT = 4096


def cast(value: object, type_: Any) -> Any:
    """``value`` as ``type_`` wants it.

    Args:
        value: never changed; what is in the result may be shared with it.
        type_: an annotation.

    Raises:
        CastError: it does not fit; the message says where and why.
    """
    return caster(type_)(value)


def caster(type_: Any) -> Cast:
    """The function that casts to an annotation; compiled once.

    Args:
        type_: an annotation, hashable or not.

    Returns:
        A function of one value that returns the cast value or raises ``CastError``.
    """
    return _guarded(TypeKey(type_))


@functools.lru_cache(maxsize=_MOST_KEPT)
def _guarded(key: TypeKey) -> Cast:
    compiled = _compiler.compile(key, strict=False)
    inner = compiled.cast
    if compiled.passes or inner is keep:
        return inner  # a single value: there is no depth to guard against

    def cast_guarded(value: Any) -> Any:
        try:
            return inner(value)
        except RecursionError:
            reason = "it is nested too deeply, or contains itself"
            raise mismatch(value, key.annotation, reason) from None

    return cast_guarded


class _Compiler:
    """Compiles annotations, recursive ones too, each once."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._finished: dict[tuple[TypeKey, bool], Caster] = {}
        self._pending: dict[tuple[TypeKey, bool], Caster] = {}

    def compile(self, key: TypeKey, *, strict: bool) -> Caster:
        found = self._finished.get((key, strict))
        if found is not None:
            return found
        with self._lock:
            return self._pending.get((key, strict)) or self._compile_new(key, strict)

    def _compile_new(self, key: TypeKey, strict: bool) -> Caster:
        form = form_of(key.annotation)
        # A type that contains itself meets this one while it is compiled.
        self._pending[key, strict] = Caster(
            lambda value: self.compile(key, strict=strict).cast(value),
            None if form.cls is object else form.cls,
        )
        try:
            compiled = self._build(form, key.annotation, strict)
        finally:
            del self._pending[key, strict]
        if len(self._finished) >= _MOST_KEPT:  # classes that notebooks define again and again
            self._finished.clear()
        self._finished[key, strict] = compiled
        return compiled

    def _build(self, form: Form, annotation: Any, strict: bool) -> Caster:
        part = self._compile_strict if strict else self._compile_loose
        match form.kind:
            case Kind.ANYTHING:
                return Caster(keep)
            case Kind.UNION:
                loose = None if strict else self._compile_loose
                return build_union(form, annotation, self._compile_strict, loose)
            case Kind.LITERAL:
                return build_literal(form, annotation)
            case Kind.ENUM:
                return build_enum(form, annotation, strict=strict)
            case Kind.CLASS:
                scalar = build_scalar(form.cls, annotation, strict=strict)
                return scalar or build_class(form, annotation)
            case Kind.TYPE:
                return build_type(form, annotation)
            case _:
                return _build_composite(form, annotation, part, strict)

    def _compile_strict(self, annotation: Any) -> Caster:
        return self.compile(TypeKey(annotation), strict=True)

    def _compile_loose(self, annotation: Any) -> Caster:
        return self.compile(TypeKey(annotation), strict=False)


def _build_composite(form: Form, annotation: Any, part: Compile, strict: bool) -> Caster:
    match form.kind:
        case Kind.COLLECTION:
            return build_collection(form, annotation, part, strict=strict)
        case Kind.TUPLE:
            return build_tuple(form, annotation, part, strict=strict)
        case Kind.MAPPING:
            return build_mapping(form, annotation, part)
        case Kind.NAMED_TUPLE:
            return build_named_tuple(form, annotation, part)
        case Kind.TYPED_DICT:
            return build_typed_dict(form, annotation, part)
        case Kind.DATACLASS:
            return build_dataclass(form, annotation, part, strict=strict)
        case Kind.MODEL:
            return build_model(form, annotation, part, strict=strict)
    raise AssertionError(f"{form.kind} is no composite")


_compiler = _Compiler()
