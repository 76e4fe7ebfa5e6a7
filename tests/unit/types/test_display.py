from dataclasses import dataclass

import pytest

from sematic.types.display import short_repr


@dataclass
class Config:
    rate: object
    names: object = ()


class Silent:
    def __repr__(self):
        raise ValueError("no")


@pytest.mark.parametrize(
    "value",
    [
        *(1, 1.5, "a'b", b"a", None, [], (), {}, set(), frozenset(), [1, "a"], (1,), (1, 2)),
        *({"a": [1]}, {1}, frozenset({1}), Config(1, [2]), [Config("x")], int, list[int]),
        *(OverflowError("x"), object),
    ],
    ids=repr,
)
def test_what_is_short_is_shown_as_it_is(value):
    assert short_repr(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "a" * 10**6,
        b"a" * 10**6,
        list(range(10**6)),
        dict.fromkeys(range(1000), "a" * 1000),
        [["a" * 150] * 3] * 3,
        Config("a" * 10**6),
        Config(list(range(10**6))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_long_is_cut(value):
    text = short_repr(value)
    assert len(text) == 200
    assert text == repr(value)[:197] + "..."


def test_what_is_deep_or_endless_ends():
    endless: list = [1]
    endless.append(endless)
    assert short_repr(endless) == "[1, [1, [1, [1, [1, [1, [...]]]]]]]"
    config = Config(1)
    config.names = config
    assert short_repr(config).endswith("names=Config(...)))))))")


def test_what_cannot_be_shown():
    assert short_repr(Silent()) == "<Silent object whose repr failed>"
    assert short_repr([1, Silent()]) == "[1, <Silent object whose repr failed>]"
    assert short_repr(10**5000) == short_repr(-(10**5000)) == "<int of 5,000 digits>"
    assert short_repr(10**400) == f"1{'0' * 196}..."
