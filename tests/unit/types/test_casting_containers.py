import collections
import types
from collections import Counter, OrderedDict, defaultdict, deque
from typing import (
    Collection,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    MutableSequence,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

import numpy as np
import pytest

from sematic.errors import CastError
from sematic.types import cast
from tests.naming import stable_id


class Point(NamedTuple):
    x: int
    y: int


class Names(list):
    pass


class Window(collections.abc.Sequence):
    """A sequence that is none of Python's own."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def is_cast(value, type_, expected):
    result = cast(value, type_)
    assert type(result) is type(expected)
    assert result == expected
    return result


@pytest.mark.parametrize("source", [[1, 2.0, "3"], (1, 2.0, "3"), {1, 2.0, "3"}])
def test_lists_tuples_and_sets_can_be_cast_to_one_another(source):
    assert sorted(cast(source, List[int])) == [1, 2, 3]
    assert sorted(cast(source, Tuple[int, ...])) == [1, 2, 3]
    assert sorted(cast(source, Tuple[int, int, int])) == [1, 2, 3]
    is_cast(source, Set[int], {1, 2, 3})
    is_cast(source, FrozenSet[int], frozenset({1, 2, 3}))
    assert sorted(cast(frozenset(source), List[int])) == [1, 2, 3]


@pytest.mark.parametrize("type_", [List[str], Tuple[str, ...], Set[str], FrozenSet[str]])
@pytest.mark.parametrize(
    "value",
    ["abc", b"abc", bytearray(b"a"), {"a": "b"}, deque("a")],
    ids=stable_id,
)
def test_nothing_else_is_a_list_tuple_or_set(value, type_):
    with pytest.raises(CastError, match=r"is not a list, tuple or set$"):
        cast(value, type_)


@pytest.mark.parametrize(
    "value", [iter("a"), map(str, "a"), {"a": 1}.keys(), range(2)], ids=stable_id
)
def test_what_is_to_be_put_into_a_list_first_is_told(value):
    with pytest.raises(CastError, match=r"is not a list, tuple or set\. Write list\(\.\.\.\) aro"):
        cast(value, List[str])


def test_an_array_is_to_be_made_a_list_first():
    with pytest.raises(CastError, match=r"is not a list, tuple or set\. Write \.tolist\(\) behind"):
        cast(np.array(["a"]), List[str])


def test_a_list_is_always_a_new_plain_list():
    value = [1, 2]
    assert cast(value, List[int]) is not value
    assert cast(value, List[object]) is not value
    is_cast(Names([1]), List[int], [1])
    is_cast(Point(1, 2), Tuple[int, int], (1, 2))
    is_cast(OrderedDict(a=1), Dict[str, int], {"a": 1})


def test_the_callers_containers_are_not_changed():
    inner = ["1"]
    value = {"a": (inner, {"2"})}
    result = cast(value, Dict[str, Tuple[List[int], Set[int]]])
    assert result == {"a": ([1], {2})}
    assert value == {"a": (["1"], {"2"})}
    assert value["a"][0] is inner


def test_tuples():
    is_cast((1, "a"), Tuple[int, str], (1, "a"))
    is_cast((), Tuple[()], ())
    is_cast((), tuple[()], ())
    is_cast([], Tuple[int, ...], ())
    with pytest.raises(CastError) as caught:
        cast((1, 2, 3), Tuple[int, int])
    assert str(caught.value) == (
        "Cannot cast (1, 2, 3) to typing.Tuple[int, int]: Expected 2 elements, got 3: (1, 2, 3)"
    )
    with pytest.raises(CastError, match="Expected 0 elements, got 1"):
        cast((1,), tuple[()])


def test_what_is_no_iterable():
    with pytest.raises(CastError) as caught:
        cast(3, List[int])
    assert str(caught.value) == "Cannot cast 3 to typing.List[int]: 3 not an iterable"


def test_elements_must_keep_a_hash_in_sets():
    with pytest.raises(CastError, match=r"unhashable type: 'list'$"):
        cast([[1]], Set[object])
    with pytest.raises(CastError, match=r"unhashable type: 'list'$"):
        cast({(1,)}, FrozenSet[List[int]])


def test_bare_containers_are_checked_by_their_class():
    is_cast([1, "a"], list, [1, "a"])
    is_cast((1, "a"), tuple, (1, "a"))
    with pytest.raises(CastError):
        cast(3, dict)


def test_dicts():
    is_cast({"1": 2.0}, Dict[int, int], {1: 2})
    value = {"a": [1]}
    result = is_cast(value, Dict[str, List[int]], {"a": [1]})
    assert result is not value
    assert list(cast({"b": 1, "a": 2}, Dict[str, int])) == ["b", "a"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "Cannot cast 3 to typing.Dict[int, int]: 3 is not a mapping"),
        ([(1, 2)], "Cannot cast [(1, 2)] to typing.Dict[int, int]: [(1, 2)] is not a mapping"),
        (
            {"a": 1},
            "Cannot cast {'a': 1} to typing.Dict[int, int]: Cannot cast 'a' to key type: "
            "Cannot cast 'a' to <class 'int'>",
        ),
        (
            {1: "b"},
            "Cannot cast {1: 'b'} to typing.Dict[int, int]: Cannot cast 'b' to value type: "
            "Cannot cast 'b' to <class 'int'>",
        ),
        (
            {1: 1, "1": 2},
            "Cannot cast {1: 1, '1': 2} to typing.Dict[int, int]: two of its keys become the same",
        ),
        (
            types.MappingProxyType({1: 1}),
            "Cannot cast mappingproxy({1: 1}) to typing.Dict[int, int]: mappingproxy({1: 1}) is "
            "not a dict",
        ),
    ],
)
def test_what_is_no_dict(value, message):
    with pytest.raises(CastError) as caught:
        cast(value, Dict[int, int])
    assert str(caught.value) == message


def test_kinds_of_dicts_and_deques_stay_what_they_are():
    is_cast(OrderedDict(a="1"), collections.OrderedDict[str, int], OrderedDict(a=1))
    is_cast(Counter(a=2), collections.Counter[str], Counter(a=2))
    is_cast(deque(["1"], maxlen=3), collections.deque[int], deque([1], maxlen=3))
    assert cast(deque([1], maxlen=3), collections.deque[int]).maxlen == 3
    value = defaultdict(list, a=["1"])
    result = cast(value, collections.defaultdict[str, List[int]])
    assert result == {"a": [1]}
    assert result["new"] == []
    assert value == {"a": ["1"]}
    with pytest.raises(CastError, match="is not a OrderedDict"):
        cast({"a": 1}, collections.OrderedDict[str, int])


@pytest.mark.parametrize("value", [["1"], ("1",), deque(["1"])], ids=stable_id)
def test_a_sequence_keeps_its_class(value):
    is_cast(value, Sequence[int], type(value)([1]))
    is_cast(value, Sequence[str], value)


@pytest.mark.parametrize("value", [["1"], ("1",), {"1"}, frozenset({"1"})], ids=stable_id)
@pytest.mark.parametrize("abstract", [Collection, Iterable])
def test_a_collection_keeps_its_class(value, abstract):
    is_cast(value, abstract[int], type(value)([1]))


def test_a_sequence_that_we_cannot_make_becomes_a_list_if_its_elements_change():
    window = Window(1, 2)
    assert cast(window, Sequence[int]) is window
    is_cast(window, Sequence[float], [1.0, 2.0])
    assert cast(range(3), Sequence[int]) == range(3)
    array = np.arange(3)
    assert cast(array, Iterable[object]) is array


def test_an_unchanged_mutable_container_is_a_new_one_for_abstract_types_too():
    for value, type_ in [
        ([1], Sequence[int]),
        ({1}, collections.abc.Set[int]),
        ({1: 2}, Mapping[int, int]),
        ({1: 2}, Iterable[int]),
    ]:
        assert is_cast(value, type_, value) is not value


def test_sets_for_abstract_types():
    is_cast({"a": 1}.keys(), collections.abc.Set[str], {"a": 1}.keys())
    is_cast({1: 1}.keys(), collections.abc.Set[float], {1.0})
    assert cast({(1,)}, Collection[List[int]]) == [[1]]
    with pytest.raises(CastError, match="unhashable"):
        cast({(1,)}, collections.abc.Set[List[int]])


def test_mappings():
    proxy = types.MappingProxyType({"a": 1})
    assert cast(proxy, Mapping[str, int]) is proxy
    is_cast(proxy, Mapping[str, float], {"a": 1.0})
    is_cast(OrderedDict(a="1"), Mapping[str, int], OrderedDict(a=1))
    is_cast({"a": 1}, Iterable[str], {"a": 1})


@pytest.mark.parametrize("value", ["abc", b"abc", bytearray(b"a"), memoryview(b"a")], ids=stable_id)
@pytest.mark.parametrize("abstract", [Sequence, Collection, Iterable])
def test_texts_are_single_values(value, abstract):
    with pytest.raises(CastError):
        cast(value, abstract[object])


def test_abstract_types_refuse_other_containers():
    for value, type_ in [({1}, Sequence[int]), ((1,), MutableSequence[int]), ([1], Mapping)]:
        with pytest.raises(CastError):
            cast(value, type_)


def test_iterators_are_refused_without_using_them_up():
    iterator = iter([1, 2])
    with pytest.raises(CastError, match=r"an iterator can be read only once; pass a list$"):
        cast(iterator, Iterable[int])
    assert list(iterator) == [1, 2]


def test_a_container_that_contains_itself():
    endless: list = []
    endless.append(endless)
    Endless = List[Optional[List[object]]]
    assert cast(endless, Endless)[0] == endless
    with pytest.raises(CastError):
        cast(endless, List[List[int]])
