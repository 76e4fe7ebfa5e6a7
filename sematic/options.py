"""The options of one call: what ``@sematic.func`` and ``future.set`` accept, checked."""

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from sematic.code_imports import import_recorded
from sematic.errors import InvalidOptionError
from sematic.option_names import suggest
from sematic.resources import ResourceRequirements
from sematic.retry import MOST_SECONDS, RetrySettings
from sematic.types.display import short_repr
from sematic.types.names import find_qualified, main_module_name, qualified_name


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How one call is executed. Every field can be changed by ``future.set``.

    Attributes:
        name: what people see; the function's name unless set.
        standalone: whether the call runs in a process of its own, in parallel with others.
        cache: whether its output may come from, and goes to, the runner's cache namespace.
        tags: words to find the run by.
        retry: which failures are followed by another attempt.
        timeout_mins: most minutes from being scheduled to the output, nested calls included.
        timeout_seconds: the same in seconds; one of the two.
        cache_version: of the code, as far as cached outputs depend on it.
        resource_requirements: what the call needs; standalone calls only.
        base_image_tag: which container image the call runs in, on a cluster.
    """

    name: str
    standalone: bool = False
    cache: bool = False
    tags: tuple[str, ...] = ()
    retry: RetrySettings | None = None
    timeout_mins: int | None = None
    resource_requirements: ResourceRequirements | None = None
    base_image_tag: str | None = None
    timeout_seconds: float | None = None
    cache_version: str | None = None

    @property
    def limit_seconds(self) -> float | None:
        """The time limit, ``None`` if there is none."""
        return self.timeout_seconds if self.timeout_mins is None else self.timeout_mins * 60.0

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        # Half the time that dataclasses take to pickle; every call holds one.
        return CallOptions, tuple(getattr(self, name) for name in _FIELDS)


_RETRY = "Write retry=sematic.RetrySettings(exceptions=(OSError,), retries=3)."
_TIMEOUT = "Write timeout_mins=5, or timeout_seconds=30."
_RESOURCES = (
    "Write standalone=True, resource_requirements=sematic.ResourceRequirements(kubernetes="
    'sematic.KubernetesResourceRequirements(requests={"cpu": "1", "memory": "1Gi"})).'
)
OPTION_HINTS = {
    **dict.fromkeys(("retries", "max_retries", "num_retries", "attempts"), _RETRY),
    **dict.fromkeys(("retry_on", "retry_settings", "retry_policy"), _RETRY),
    **dict.fromkeys(("timeout", "timeout_s", "timeout_secs", "time_limit"), _TIMEOUT),
    **dict.fromkeys(("cpu", "cpus", "num_cpus", "gpu", "gpus", "num_gpus", "memory"), _RESOURCES),
    **dict.fromkeys(("resources", "requirements"), _RESOURCES),
    **dict.fromkeys(("parallel", "remote", "isolated", "process"), "Write standalone=True."),
    "inline": "Inline is the default; write standalone=True in place of inline=False.",
    "cache_namespace": "That is an option of the runner: sematic.LocalRunner(cache_namespace=...).",
}
"""What to write instead of names that other libraries have for these options."""

_FIELDS = tuple(field.name for field in fields(CallOptions))
_DEFAULTS = {field.name: field.default for field in fields(CallOptions)}


def build_options(name: str, values: Mapping[str, object]) -> CallOptions:
    """Options of a function, from the arguments of its decorator.

    Raises:
        InvalidOptionError: a value has the wrong type, or two do not fit together.
    """
    return change_options(CallOptions(name=name), values)


def change_options(options: CallOptions, values: Mapping[str, object]) -> CallOptions:
    """``options`` with ``values`` in place; all of them or, on an error, none.

    Raises:
        InvalidOptionError: a field is unknown, a value has the wrong type, or two do not fit.
    """
    unknown = sorted(set(values) - _CHECKS.keys())
    if unknown:
        raise InvalidOptionError(
            f"Cannot mutate fields: {{{', '.join(map(repr, unknown))}}}. "
            f"{suggest(unknown[0], _CHECKS, OPTION_HINTS)}"
        )
    changed = replace(options, **{name: _CHECKS[name](value) for name, value in values.items()})  # type: ignore[arg-type]
    if changed.resource_requirements is not None and not changed.standalone:
        raise InvalidOptionError(
            "Only Standalone Functions can have resource requirements. "
            "Try using @sematic.func(standalone=True, ...)."
        )
    if changed.timeout_mins is not None and changed.timeout_seconds is not None:
        if {"timeout_mins", "timeout_seconds"} <= values.keys():
            raise InvalidOptionError(
                "Give a time limit as timeout_mins or as timeout_seconds, not as both: "
                f"{changed.timeout_mins!r} and {changed.timeout_seconds!r}"
            )
        # The one that is given now takes the place of the other.
        other = "timeout_seconds" if "timeout_mins" in values else "timeout_mins"
        changed = replace(changed, **{other: None})  # type: ignore[arg-type]
    return changed


def options_to_json(options: CallOptions) -> dict[str, object]:
    """Options as plain data, without those that have their default."""
    changed: dict[str, object] = {"name": options.name}
    for name in _FIELDS[1:]:
        value = getattr(options, name)
        if value:  # every default is empty: False, None or ()
            changed[name] = _TO_JSON[name](value) if name in _TO_JSON else value
    return changed


def differing_options(options: CallOptions, base: CallOptions) -> list[str]:
    """The names of the options that are not those of ``base``."""
    if options is base or options == base:
        return []
    return [name for name in _FIELDS if getattr(options, name) != getattr(base, name)]


def options_from_json(
    data: Mapping[str, Any],
    current: CallOptions,
    *,
    class_of: Callable[[str], type] | None = None,
    names: Collection[str] | None = None,
) -> CallOptions:
    """Options that were recorded, with code (exception types) from ``current`` where it moved.

    Args:
        data: what :func:`options_to_json` gave.
        current: the options that the function has now.
        class_of: finds an exception type by its path; imports it unless told otherwise.
        names: the options to take from ``data``, the others being those of ``current``; ``None``
            for all of them.
    """
    if names is None:
        values, base = dict(data), CallOptions(name=current.name)
    else:
        values, base = {name: data.get(name, _DEFAULTS[name]) for name in names}, current
    if values.get("retry"):
        recorded = _retry_from_json(values["retry"], class_of or locate_class)
        values["retry"] = recorded or current.retry
    if values.get("resource_requirements"):
        requirements = values["resource_requirements"]
        values["resource_requirements"] = ResourceRequirements.from_json(requirements)
    return change_options(base, values)


def _wrong(sentence: str, value: object) -> InvalidOptionError:
    return InvalidOptionError(f"{sentence}: {short_repr(value)}")


def _check_name(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise _wrong("Invalid `name`, must be a non-empty string", value)


def _check_bool(name: str) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise _wrong(f"Invalid `{name}`, must be a bool", value)

    return check


def _check_tags(value: object) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(tag, str) and tag for tag in value):
        return tuple(value)
    raise _wrong("Invalid `tags`, must be a list of non empty strings", value)


def _check_retry(value: object) -> RetrySettings | None:
    if value is None or isinstance(value, RetrySettings):
        return value
    raise InvalidOptionError(
        f"Invalid `retry`, must be a RetrySettings: {short_repr(value)}. "
        "Write retry=RetrySettings(exceptions=(ValueError,), retries=3)."
    )


def _check_timeout(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        error = _wrong("Timeouts must be an integer number of minutes, got", value)
        if isinstance(value, float) and 0 < value * 60 <= MOST_SECONDS:
            raise InvalidOptionError(f"{error}. Write timeout_seconds={value * 60:g}.")
        raise error
    if value < 1:
        raise _wrong("Timeouts must be >=1 minutes, got", value)
    if value * 60 > MOST_SECONDS:
        raise InvalidOptionError(_TOO_LONG.format("timeout_mins", short_repr(value)))
    return value


def _check_timeout_seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong("timeout_seconds must be a number of seconds, got", value)
    if value > MOST_SECONDS:
        raise InvalidOptionError(_TOO_LONG.format("timeout_seconds", short_repr(value)))
    if not value > 0:
        raise _wrong("timeout_seconds must be more than 0, got", value)
    return float(value)


_TOO_LONG = "{} must be at most 100 years, got: {}. Leave it out for no limit."


def _check_resources(value: object) -> ResourceRequirements | None:
    if value is None or isinstance(value, ResourceRequirements):
        return value
    error = _wrong("Invalid `resource_requirements`, must be a ResourceRequirements", value)
    raise InvalidOptionError(f"{error}. {_RESOURCES}")


def _check_image_tag(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise _wrong("Invalid `base_image_tag`, must be a non-empty string", value)


def _check_cache_version(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _wrong("Invalid `cache_version`, must be a non-empty string or an integer", value)


_CHECKS: dict[str, Callable[[object], object]] = {
    "name": _check_name,
    "standalone": _check_bool("standalone"),
    "cache": _check_bool("cache"),
    "tags": _check_tags,
    "retry": _check_retry,
    "timeout_mins": _check_timeout,
    "timeout_seconds": _check_timeout_seconds,
    "resource_requirements": _check_resources,
    "base_image_tag": _check_image_tag,
    "cache_version": _check_cache_version,
}


def _retry_to_json(retry: RetrySettings) -> dict[str, object]:
    names = [qualified_name(kind) for kind in retry.exceptions]
    numbers = {name: getattr(retry, name) for name in _RETRY_NUMBERS}
    changed = {name: value for name, value in numbers.items() if value != _RETRY_NUMBERS[name]}
    return {"exceptions": names, "retries": retry.retries, **changed}


_RETRY_NUMBERS = {
    field.name: field.default for field in fields(RetrySettings) if field.default is not MISSING
}
"""Those that have a default, which is not recorded."""


def _retry_from_json(
    data: Mapping[str, Any], class_of: Callable[[str], type]
) -> RetrySettings | None:
    try:
        kinds = tuple(class_of(path) for path in data["exceptions"])
    except ImportError:
        return None
    numbers = {name: value for name, value in data.items() if name in _RETRY_NUMBERS}
    return RetrySettings(kinds, data["retries"], **numbers)


def locate_class(path: str) -> type:
    """The class that was recorded under an importable path.

    Raises:
        ImportError: there is none any more.
    """
    main = main_module_name()
    if path.startswith(f"{main}."):
        found = find_qualified(sys.modules["__main__"], path[len(main) + 1 :])
        if isinstance(found, type):
            return found
    module, _, qualname = path.rpartition(".")
    while module:
        try:
            found = find_qualified(import_recorded(module), qualname)
        except ModuleNotFoundError:  # the last part of it is a class
            module, _, last = module.rpartition(".")
            qualname = f"{last}.{qualname}"
            continue
        if isinstance(found, type):
            return found
        break
    raise ImportError(f"Unable to find class {path}: did it change location?")


_TO_JSON: dict[str, Callable[..., object]] = {
    "tags": list,
    "retry": _retry_to_json,
    "resource_requirements": lambda requirements: requirements.to_json(),
}
