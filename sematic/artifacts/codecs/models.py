"""Which pydantic models are plain data, and how they are put together again.

What a model holds was validated when it was made: no validator, and no other code of its class,
runs in either direction.
"""

import functools
from collections.abc import Mapping
from typing import Any

from sematic.artifacts.codecs.classes import class_name
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.codecs.records import has_pickling_hooks
from sematic.errors import ArtifactError
from sematic.types.forms import is_model


def read_model(value: Any) -> dict[str, Any]:
    """What there is to a model: fields, which of them were given, extra and private attributes.

    Raises:
        NotEncodable: there is more to it.
    """
    cls: Any = type(value)
    if not _is_plain(cls):
        raise NotEncodable
    names = cls.model_fields
    beside = value.__dict__.keys() - names.keys()
    if not all(isinstance(_attribute(cls, name), functools.cached_property) for name in beside):
        raise NotEncodable
    fields = {name: value.__dict__[name] for name in names if name in value.__dict__}
    content: dict[str, Any] = {"fields": fields, "set": sorted(value.__pydantic_fields_set__)}
    state = value.__getstate__()
    for name in ("extra", "private"):
        attributes = state.get(f"__pydantic_{name}__")
        if attributes is not None:
            content[name] = dict(attributes)
    return content


@functools.lru_cache(maxsize=1024)
def _is_plain(cls: Any) -> bool:
    # Classes such as Box[int] are made on demand: in another process there is none of that name.
    if cls.__pydantic_generic_metadata__["args"] or has_pickling_hooks(cls):
        return False
    return cls.__new__ is object.__new__ and all(map(str.isidentifier, cls.model_fields))


def _attribute(cls: type, name: str) -> Any:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def build_model(cls: Any, content: Mapping[str, Any]) -> Any:
    """A model with these fields; fields that the class got since have their defaults.

    Raises:
        ArtifactError: the class is no model any more, or got a field without a default.
    """
    if not is_model(cls):
        raise ArtifactError(f"{class_name(cls)} was stored as a pydantic model and is none.")
    fields: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        if name in content["fields"]:
            fields[name] = content["fields"][name]
        elif field.is_required():
            raise ArtifactError(
                f"{class_name(cls)} has a field {name!r} that it did not have when this value was "
                "stored. Give the field a default, or compute the value again."
            )
        else:
            fields[name] = field.get_default(call_default_factory=True, validated_data=fields)
    extra = content.get("extra")
    made = cls.__new__(cls)
    made.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_fields_set__": set(content["set"]) & {*fields, *(extra or ())},
            "__pydantic_extra__": extra,
            "__pydantic_private__": content.get("private"),
        }
    )
    return made
