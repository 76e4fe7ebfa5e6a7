"""Casts to dataclasses: instances field by field, mappings and look-alikes through ``__init__``."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from sematic.errors import CastError
from sematic.types.casters import Cast, Caster, Compile, keep, mismatch
from sematic.types.forms import Form, Unchecked, form_of
from sematic.types.hints import member_types
from sematic.types.keys import TypeKey
from sematic.types.records import cast_field

_Plan = tuple[tuple[str, Cast], ...]


def build_dataclass(form: Form, annotation: Any, compile_: Compile, *, strict: bool) -> Caster:
    """The caster of a dataclass.

    An instance keeps its class, also a subclass with fields of its own; it is copied only if one
    of its fields changes. A mapping must name no other fields, and may leave out those that have
    defaults. An instance of an unrelated dataclass must have all fields.
    """
    return Caster(_DataclassCast(form, annotation, compile_, strict).cast, form.cls)


class _DataclassCast:
    def __init__(self, form: Form, annotation: Any, compile_: Compile, strict: bool) -> None:
        self._form = form
        self._annotation = annotation
        self._compile = compile_
        self._strict = strict
        self._plans: dict[type, _Plan] = {}
        # Names of local classes can be looked up only while their function is executing, others
        # perhaps only later: now if it works, else when the first value comes.
        if not any(hint is Unchecked for hint in member_types(form).values()):
            self._plan(form.cls)

    def cast(self, value: Any) -> Any:
        if isinstance(value, self._form.cls):
            return self._cast_instance(value)
        if not self._strict and isinstance(value, Mapping):
            return self._build_from_mapping(value)
        if not self._strict and dataclasses.is_dataclass(type(value)):
            return self._build_from_fields(value)
        raise mismatch(value, self._annotation)

    def _cast_instance(self, value: Any) -> Any:
        changes = {}
        for name, cast in self._plan(type(value)):
            try:
                old = getattr(value, name)
            except AttributeError:
                if type(value).__dataclass_fields__[name].init:
                    raise self._missing(value, name) from None
                continue  # it is the class's own business to set it
            new = self._cast_field(value, name, cast, old)
            if new is not old:
                changes[name] = new
        return _replace(value, changes) if changes else value

    def _plan(self, cls: type) -> _Plan:
        plan = self._plans.get(cls)
        if plan is None:
            plan = self._plans[cls] = tuple(
                (field.name, self._field_cast(cls, field.name)) for field in dataclasses.fields(cls)
            )
        return plan

    def _field_cast(self, cls: type, name: str) -> Cast:
        """The cast of a field of ``cls``, which may be a subclass that changed its type."""
        declared = member_types(self._form).get(name, object)
        if cls is self._form.cls:
            return self._compile(declared).cast
        own = member_types(form_of(cls)).get(name, object)
        own_cast, declared_cast = self._compile(own).cast, self._compile(declared).cast
        if own_cast is keep or TypeKey(own) == TypeKey(declared):
            return declared_cast

        def cast_both(value: Any) -> Any:
            result = own_cast(value)
            declared_cast(result)  # must fit here too, but stays what the subclass says
            return result

        return own_cast if declared_cast is keep else cast_both

    def _build_from_mapping(self, value: Mapping[Any, Any]) -> Any:
        parameters = init_parameters(self._form.cls)
        for name in value:
            if name not in parameters:
                raise mismatch(value, self._annotation, f"There is no field {name!r}")
        types = member_types(self._form)
        arguments = {}
        for name, required in parameters.items():
            if name in value:
                cast = self._compile(types.get(name, object)).cast
                arguments[name] = self._cast_field(value, name, cast, value[name])
            elif required:
                raise self._missing(value, name)
        return self._construct(value, arguments)

    def _build_from_fields(self, value: Any) -> Any:
        given = {field.name for field in dataclasses.fields(value)}
        types = member_types(self._form)
        arguments = {}
        for name in init_parameters(self._form.cls):
            if name not in given or not hasattr(value, name):
                raise self._missing(value, name)
            cast = self._compile(types.get(name, object)).cast
            arguments[name] = self._cast_field(value, name, cast, getattr(value, name))
        return self._construct(value, arguments)

    def _construct(self, value: Any, arguments: dict[str, Any]) -> Any:
        try:
            return self._form.cls(**arguments)
        except Exception as error:  # __post_init__ is the user's code: it may refuse the fields
            raise mismatch(value, self._annotation, f"{type(error).__name__}: {error}") from error

    def _cast_field(self, owner: Any, name: str, cast: Cast, value: Any) -> Any:
        return cast_field(name, cast, value, owner=owner, annotation=self._annotation)

    def _missing(self, value: Any, name: str) -> CastError:
        return mismatch(value, self._annotation, f"Field {name!r} is missing")


def _replace(value: Any, changes: dict[str, Any]) -> Any:
    # Not through __init__: fields may be init=False, and __post_init__ has run.
    changed = copy.copy(value)
    for name, new in changes.items():
        object.__setattr__(changed, name, new)  # a frozen one too
    return changed


def init_parameters(cls: Any) -> dict[str, bool]:
    """The arguments that make an instance, and whether each must be given."""
    return {
        name: field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        for name, field in cls.__dataclass_fields__.items()
        if field.init and not _is_class_variable(field)
    }


def _is_class_variable(field: Any) -> bool:
    return field._field_type is dataclasses._FIELD_CLASSVAR  # type: ignore[attr-defined]
