"""Casts to unions: what fits as it is goes before what fits when it is converted."""

from typing import Any

from sematic.errors import CastError
from sematic.types.casters import Caster, Compile, mismatch
from sematic.types.display import short_repr
from sematic.types.forms import Form


def build_union(
    form: Form, annotation: Any, compile_strict: Compile, compile_loose: Compile | None
) -> Caster:
    """The caster of a union.

    Members are tried in this order: those whose class is exactly the value's, those that take the
    value without a conversion, and then, in the order of declaration, those that convert it. So
    1.5 stays 1.5 for ``int | float``, and ``True`` stays ``True`` for ``float | int``.

    Args:
        form: the union.
        annotation: as it is shown in errors.
        compile_strict: compiles a member without conversions.
        compile_loose: compiles a member with them; ``None`` where there shall be none.
    """
    strict = [compile_strict(member) for member in form.args]
    loose = [compile_loose(member) for member in form.args] if compile_loose else []
    passes = frozenset().union(*(member.passes for member in strict))

    def cast_union(value: Any) -> Any:
        kind = type(value)
        if kind in passes:
            return value
        closest = None
        exact = [member for member in strict if member.cls is kind]
        others = [member for member in strict if member.cls is not kind]
        for member in (*exact, *others, *loose):
            try:
                return member.cast(value)
            except CastError as error:
                if member.cls is kind:
                    closest = error
        members = ", ".join(map(short_repr, form.args))
        reason = f"{short_repr(value)} does not match any of ({members})"
        raise mismatch(value, annotation, f"{reason}: {closest}" if closest else reason)

    return Caster(cast_union, None, passes)
