import collections
import collections.abc
import dataclasses
import os

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sematic.types import can_cast_type, cast, describe_type
from tests.unit.types.samples import relatives, samples

fast = settings(
    max_examples=int(os.environ.get("EXAMPLES", "250")),
    deadline=None,
    derandomize="EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


@fast
@given(st.data())
def test_every_value_of_a_type_that_fits_can_be_cast(data):
    source = data.draw(samples(), label="source")
    target = data.draw(relatives(source), label="target")
    fits, reason = can_cast_type(source.annotation, target.annotation)
    event(f"fits: {fits}")
    assert fits == (reason is None)
    if fits:
        value = cast(data.draw(source.values, label="value"), source.annotation)
        cast(value, target.annotation)


@fast
@given(samples(), samples())
def test_any_two_types_can_be_compared(source, target):
    fits, reason = can_cast_type(source.annotation, target.annotation)
    assert (reason is None) if fits else isinstance(reason, str)


@fast
@given(samples())
def test_a_type_fits_itself_and_object(sample):
    assert can_cast_type(sample.annotation, sample.annotation) == (True, None)
    assert can_cast_type(sample.annotation, object) == (True, None)


@fast
@given(st.data())
def test_casting_changes_neither_the_callers_value_nor_a_cast_one(data):
    sample = data.draw(samples())
    value = data.draw(sample.values)
    before = _shown(value)
    once = cast(value, sample.annotation)
    assert _shown(value) == before
    twice = cast(once, sample.annotation)
    assert _shown(twice) == _shown(once)


@fast
@given(samples())
def test_a_description_is_text_without_addresses(sample):
    description = describe_type(sample.annotation)
    assert description == describe_type(sample.annotation)
    assert "0x" not in description
    assert "typing." not in description


def _shown(value):
    """A value with the classes of all its parts; sets in order, and NaN equal to itself."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [_shown(part) for part in vars(value).values()]
    elif isinstance(value, collections.abc.Set):
        parts = sorted(map(_shown, value))
    elif isinstance(value, dict):
        parts = [(_shown(key), _shown(part)) for key, part in value.items()]
    elif isinstance(value, (list, tuple, collections.deque)):
        parts = [_shown(part) for part in value]
    else:
        parts = repr(value)
    return f"{type(value).__name__}({parts})"
