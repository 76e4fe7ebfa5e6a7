"""Casts to pydantic models: instances field by field, mappings through pydantic's own validation.

pydantic validates what a model is made from. It does not look at what is assigned to it later, at
what ``model_construct`` was given, nor at what happens to a list inside of it.
"""

import collections.abc
import copy
import enum
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

from sematic.errors import InvalidFunctionError
from sematic.types.annotations import validate_annotation
from sematic.types.casters import Cast, Caster, Compile, keep, mismatch
from sematic.types.forms import Form, is_class, is_model
from sematic.types.records import cast_field

_Plan = tuple[tuple[str, Cast, object], ...]

# What pydantic makes of these is no instance of what the annotation says.
_OWN_VALUES = (collections.abc.Iterable, collections.abc.Iterator, collections.abc.Generator)


def build_model(form: Form, annotation: Any, compile_: Compile, *, strict: bool) -> Caster:
    """The caster of a pydantic model: takes instances, and mappings that it validates strictly.

    An instance keeps its class, and is copied only if one of its fields changes. Left unchecked
    are defaults, as by pydantic, and fields whose values are the business of a validator or of a
    type that pydantic asks for its own schema.
    """
    return Caster(_ModelCast(form, annotation, compile_, strict).cast, form.cls)


class _ModelCast:
    def __init__(self, form: Form, annotation: Any, compile_: Compile, strict: bool) -> None:
        self._cls: Any = form.cls
        self._annotation = annotation
        self._compile = compile_
        self._strict = strict
        self._plans: dict[type, _Plan] = {}

    def cast(self, value: Any) -> Any:
        if isinstance(value, self._cls):
            return self._cast_instance(value)
        if self._strict or not isinstance(value, Mapping):
            raise mismatch(value, self._annotation)
        try:
            return self._cls.model_validate(dict(value), strict=True)
        except Exception as error:
            raise mismatch(value, self._annotation, _validation_reason(error)) from error

    def _cast_instance(self, value: Any) -> Any:
        changes = {}
        fields = value.__dict__
        for name, cast, default in self._plan(type(value)):
            if name not in fields:
                raise mismatch(value, self._annotation, f"Field {name!r} is missing")
            old = fields[name]
            if old is default:
                continue
            new = cast_field(name, cast, old, owner=value, annotation=self._annotation)
            if new is not old:
                changes[name] = new
        if not changes:
            return value
        changed = copy.copy(value)  # not model_copy: which fields were given stays as it is
        changed.__dict__.update(changes)
        return changed

    def _plan(self, cls: Any) -> _Plan:
        plan = self._plans.get(cls)
        if plan is None:
            plan = tuple(
                (name, self._field_cast(cls, name, field), field.default)
                for name, field in cls.model_fields.items()
            )
            if cls.__pydantic_complete__:  # else it names something that is defined later
                self._plans[cls] = plan
        return plan

    def _field_cast(self, cls: Any, name: str, field: Any) -> Cast:
        if name in _freely_validated(cls) or "*" in _freely_validated(cls):
            return keep
        if any(map(_has_own_schema, field.metadata)):
            return keep
        with_enums = not cls.model_config.get("use_enum_values", False)
        if not _is_checkable(field.annotation, with_enums=with_enums):
            return keep
        try:
            validate_annotation(field.annotation)
        except InvalidFunctionError:  # fine in a model, which need not be stored as it is
            return keep
        return self._compile(field.annotation).cast


def _freely_validated(cls: Any) -> set[str]:
    """The fields of which a validator alone decides what they are."""
    return {
        name
        for validator in cls.__pydantic_decorators__.field_validators.values()
        if validator.info.mode in ("plain", "wrap")
        for name in validator.info.fields
    }


def _is_checkable(annotation: Any, *, with_enums: bool) -> bool:
    """Whether a field's values are instances of what it is annotated with, whatever is nested."""
    pending = [annotation]
    while pending:
        part = pending.pop()
        cls = get_origin(part) or part
        if isinstance(part, (TypeVar, str)) or cls in _OWN_VALUES or _has_own_schema(cls):
            return False
        if is_class(cls) and issubclass(cls, enum.Enum) and not with_enums:
            return False
        pending.extend(get_args(part))
        pending.extend(getattr(part, "__metadata__", ()))
    return True


def _has_own_schema(part: Any) -> bool:
    """Of a class, or of something in ``Annotated``."""
    is_a_model = is_class(part) and is_model(part)
    return not is_a_model and hasattr(part, "__get_pydantic_core_schema__")


def _validation_reason(error: Any) -> str:
    """What is wrong, in one line; pydantic's own text has several, and a link."""
    if not hasattr(error, "errors"):
        return f"{type(error).__name__}: {error}"
    details = error.errors(include_url=False)
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details[:5]
    )
