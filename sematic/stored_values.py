"""Arguments and outputs on their way into the store: what goes wrong there names whose they are."""

from sematic.calls import ArtifactRef, Input
from sematic.errors import UnserializableValueError
from sematic.expressions import Put, build_input
from sematic.function import Function


def build_argument(function: Function[..., object], name: str, value: object, put: Put) -> Input:
    """What stands for an argument in the graph; see :func:`sematic.expressions.build_input`.

    Raises:
        UnserializableValueError: naming function and argument.
    """
    try:
        return build_input(value, function.input_types[name], put)
    except UnserializableValueError as error:
        raise _named(f"Argument {name!r} of '{function!r}'", error) from error.__cause__


def store_argument(
    function: Function[..., object], name: str, value: object, put: Put
) -> ArtifactRef:
    """The artifact of an argument that holds no futures.

    Raises:
        UnserializableValueError: naming function and argument.
    """
    try:
        return put(value, function.input_types[name])
    except UnserializableValueError as error:
        raise _named(f"Argument {name!r} of '{function!r}'", error) from error.__cause__


def store_output(function: Function[..., object], value: object, put: Put) -> ArtifactRef:
    """The artifact of an output that holds no futures.

    Raises:
        UnserializableValueError: naming the function.
    """
    try:
        return put(value, function.output_type)
    except UnserializableValueError as error:
        raise _named(f"The output of '{function!r}'", error) from error.__cause__


def build_output(function: Function[..., object], value: object, put: Put) -> Input:
    """What stands for an output that holds futures.

    Raises:
        UnserializableValueError: naming the function.
    """
    try:
        return build_input(value, function.output_type, put)
    except UnserializableValueError as error:
        raise _named(f"The output of '{function!r}'", error) from error.__cause__


def _named(what: str, error: UnserializableValueError) -> UnserializableValueError:
    return UnserializableValueError(f"{what}: {error}")
