"""Casts to named tuples and typed dicts; dataclasses and models have modules of their own."""

from collections.abc import Callable
from typing import Any

from sematic.errors import CastError
from sematic.types.casters import Cast, Caster, Compile, mismatch
from sematic.types.display import short_repr
from sematic.types.forms import Form, Unchecked
from sematic.types.hints import member_types, typed_dict_keys


class LateCasts:
    """The casters of a class's fields, compiled early if all their types can be looked up.

    A class may name another one that is defined after the function that uses both. What cannot be
    looked up when the first value comes is not checked.
    """

    def __init__(self, types: Callable[[], dict[str, Any]], compile_: Compile) -> None:
        self._types = types
        self._compile = compile_
        self._casts: dict[str, Cast] | None = None
        if not any(hint is Unchecked for hint in types().values()):
            self.get()

    def get(self) -> dict[str, Cast]:
        """The casters by field."""
        if self._casts is None:
            types = self._types()
            self._casts = {name: self._compile(hint).cast for name, hint in types.items()}
        return self._casts


def cast_field(name: str, cast: Cast, value: Any, *, owner: object, annotation: Any) -> Any:
    """A field's value as its type wants it.

    Raises:
        CastError: naming the field.
    """
    try:
        return cast(value)
    except CastError as error:
        raise CastError(
            f"Cannot cast field {name!r} of {short_repr(owner)} to {short_repr(annotation)}: "
            f"{error}"
        ) from None


def build_named_tuple(form: Form, annotation: Any, compile_: Compile) -> Caster:
    """The caster of a named tuple: takes instances, whose fields are cast."""
    cls: Any = form.cls
    casts = LateCasts(lambda: member_types(form), compile_)

    def cast_named_tuple(value: Any) -> Any:
        if not isinstance(value, cls):
            raise mismatch(value, annotation)
        changed = False
        items = list(value)
        for index, (name, cast) in enumerate(casts.get().items()):
            old = items[index]
            items[index] = cast_field(name, cast, old, owner=value, annotation=annotation)
            changed = changed or items[index] is not old
        return type(value)._make(items) if changed else value

    return Caster(cast_named_tuple, form.cls)


def build_typed_dict(form: Form, annotation: Any, compile_: Compile) -> Caster:
    """The caster of a typed dict: known keys are cast, others kept, as a subtype may have them."""
    casts = LateCasts(lambda: member_types(form), compile_)

    def cast_typed_dict(value: Any) -> Any:
        if not isinstance(value, dict):
            raise mismatch(value, annotation, f"{short_repr(value)} is not a mapping")
        result = dict(value)
        for name, cast in casts.get().items():
            if name in value:
                result[name] = cast_field(
                    name, cast, value[name], owner=value, annotation=annotation
                )
            elif typed_dict_keys(form.cls)[name]:
                raise mismatch(value, annotation, f"Field {name!r} is missing")
        other = next((key for key in value if not isinstance(key, str)), None)
        if other is not None:
            raise mismatch(value, annotation, f"{short_repr(other)} is no name of a field")
        return result

    return Caster(cast_typed_dict, dict)
