"""Types of values that may be of one type or another."""

from collections.abc import Callable, Iterable
from typing import Any, Union

from sematic.types.forms import Form, Kind, Unchecked, form_of, strip
from sematic.types.keys import TypeKey


def join_types(types: Iterable[Any]) -> Any:
    """A type for values of any of several: itself, their union, or ``Unchecked``."""
    distinct = {TypeKey(type_): type_ for type_ in types}
    members = tuple(map(known_or_unchecked, distinct.values()))
    if not members or Unchecked in members:
        return Unchecked
    if len(members) == 1:
        return members[0]
    try:
        return Union[members]  # noqa: UP007
    except TypeError:  # metadata inside that has no hash: Python makes no union of it
        return Unchecked


def known_or_unchecked(type_: Any) -> Any:
    """The type itself, without qualifiers of fields; ``Unchecked`` for ``object`` and ``Any``.

    What is selected from a value that may be anything has to fit anywhere.
    """
    plain = strip(type_)
    return Unchecked if form_of(plain).kind is Kind.ANYTHING else plain


def type_of_members(form: Form, type_of: Callable[[Any], Any]) -> Any:
    """What holds for the members of a union, or the values of a literal, taken together.

    Args:
        form: a union or a literal.
        type_of: gives the type for one of the types; raises where it has none.

    Returns:
        The joined type. ``Unchecked`` if it is there for some of the members only.

    Raises:
        TypeError, LookupError, AttributeError: what ``type_of`` raised, if it did for all members.
    """
    members = form.args if form.kind is Kind.UNION else tuple(map(type, form.args))
    found: list[Any] = []
    failure: Exception | None = None
    for member in members:
        try:
            found.append(type_of(member))
        except (TypeError, LookupError, AttributeError) as error:
            failure = error
    if failure is not None and not found:
        raise failure
    return join_types(found) if failure is None else Unchecked
