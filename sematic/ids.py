"""Ids of runs and artifacts as users give them: checked before anything is looked up."""

from sematic.errors import InvalidOptionError
from sematic.future import Future
from sematic.types.display import short_repr


def check_id(name: str, value: object, *, kind: str = "run") -> str:
    """An id, or the first digits of one, without blanks around it.

    Args:
        name: of the argument, for the error.
        value: what was given for it.
        kind: what it is the id of.

    Raises:
        InvalidOptionError: it is no text, or an empty one.
    """
    if isinstance(value, str) and value.strip():
        return value.strip()
    article = "an" if kind[0] in "aeiou" else "a"
    raise InvalidOptionError(
        f"{name} must be the id of {article} {kind}, a string such as '0a1b2c3d'. "
        f"Got: {short_repr(value)}.{_advice(name, value, kind)}"
    )


def _advice(name: str, value: object, kind: str) -> str:
    if isinstance(value, Future) and kind == "run":
        return f" Write {name}=future.id."
    return f" `sematic {'show <run>' if kind == 'artifact' else 'runs'}` lists them."
