"""Plain values: JSON text in the reference, exact, and with the same id everywhere."""

import collections
import dataclasses
import enum
import json
import math
import subprocess
import sys
import typing
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.artifacts import FileSystemStore
from sematic.errors import ArtifactError, CorruptArtifactError, UnserializableValueError


class Color(enum.Enum):
    RED = "r"
    CRIMSON = "r"
    BLUE = "b"


class Level(str, enum.Enum):
    LOW = "low"


class Mode(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


Point = collections.namedtuple("Point", "x y")


class Named(typing.NamedTuple):
    a: int
    b: str = "b"


@dataclasses.dataclass
class Plain:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    inner: Plain
    when: datetime | None = None


VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    -(2**64),
    10**700,
    -(10**6000),
    0.1,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    "",
    'quotes " and \\ and \n and é and 😀',
    "NUL \0 inside",
    "lone \ud800 surrogate",
    "two lone ones \ud83d\ude00 in a row",
    b"",
    bytes(range(256)),
    [],
    [1, [2, [3]]],
    (),
    (1,),
    ((1, 2), [3]),
    {},
    {"b": 1, "a": {"c": None}},
    {"$": "set", "items": [1]},
    {1: "int", "1": "str", (1, 2): "tuple", None: None, False: 0.5},
    {"\ud800": 1},
    set(),
    {1, "a", (2, None)},
    frozenset({"x", frozenset({1})}),
    1 - 2j,
    complex(math.inf, -0.0),
    range(10, 0, -3),
    Color.RED,
    Color.CRIMSON,
    Level.LOW,
    Mode.READ | Mode.WRITE,
    Mode(0),
    Point(1, [2]),
    Named(1),
    Plain(1, [2]),
    Frozen(Plain(1)),
    {"nested": [Frozen(Plain(2, [3]), datetime(2024, 1, 1, tzinfo=timezone.utc))]},
    date(2024, 2, 29),
    datetime(2024, 2, 29, 1, 2, 3, 4),
    datetime(2024, 2, 29, tzinfo=ZoneInfo("Europe/Paris")),
    datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=-3, minutes=30), "here")),
    time(1, 2, 3, 4),
    time(1, tzinfo=timezone.utc),
    timedelta(days=-1, seconds=3, microseconds=5),
    timezone.utc,
    ZoneInfo("UTC"),
    Decimal("1.10"),
    Decimal("-Infinity"),
    Path("a/b"),
    Path("/not-utf8-\udcff"),
    PurePosixPath("/x"),
    PureWindowsPath("c:/x"),
    UUID("12345678123456781234567812345678"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_plain_values_come_back_from_their_reference(
    store: FileSystemStore, folder: Path, value: object
) -> None:
    ref = store.put(value, object)
    read = store.get(ref, verify=True)
    assert read == value
    assert type(read) is type(value)
    if isinstance(value, float | complex | Decimal):
        assert repr(read) == repr(value)
    assert ref.codec == "plain"
    assert ref.payload is not None
    assert ref.size == len(ref.payload.encode())
    assert "\0" not in ref.payload
    assert ref.summary is None
    assert store.exists(ref)
    assert not folder.exists()


@pytest.mark.parametrize("value", [math.nan, Decimal("NaN"), [math.nan], {math.nan}])
def test_nan_comes_back(store: FileSystemStore, value: object) -> None:
    assert repr(store.get(store.put(value, object))) == repr(value)


def test_the_second_time_of_a_clock_change_stays_the_second(store: FileSystemStore) -> None:
    value = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1)
    read = store.get(store.put(value, datetime))
    assert isinstance(read, datetime)
    assert (read.fold, read.utcoffset()) == (1, timedelta(hours=1))


def test_what_json_has_is_json(store: FileSystemStore) -> None:
    value = {"a": [1, 2.5, None, True, "é"], "b": {}}
    assert json.loads(store.put(value, dict).payload or "") == value


def test_dictionaries_keep_their_order(store: FileSystemStore) -> None:
    for value in ({"b": 1, "a": 2}, {2: 1, 1: 2}):
        read = store.get(store.put(value, dict))
        assert isinstance(read, dict)
        assert list(read) == list(value)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.text(st.characters(categories=("Cs", "Cc", "L")))
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False)
    | st.uuids()
)
plain_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(scalars, inner)
        | st.sets(scalars)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(plain_values)
def test_any_plain_value_comes_back(value: object) -> None:
    store = FileSystemStore("unused")
    ref = store.put(value, object)
    read = store.get(ref, verify=True)
    assert read == value
    assert store.put(read, object) == ref


def test_ids_tell_values_types_and_kinds_apart(store: FileSystemStore) -> None:
    pairs = [
        *((1, int), (1, float), (1, object), (True, int), (1.0, object), ("1", object)),
        *(([1], object), ((1,), object), ({1}, object), (frozenset({1}), object)),
        *((b"1", object), (Path("1"), object), (Decimal(1), object), (Decimal("1.0"), object)),
        *((0.0, object), (-0.0, object), ({"a": 1, "b": 2}, dict), ({"b": 2, "a": 1}, dict)),
    ]
    ids = [store.put(value, type_).id for value, type_ in pairs]
    assert len(set(ids)) == len(ids)


def test_plain_values_load_neither_arrow_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from sematic.artifacts import FileSystemStore\n"
        "store = FileSystemStore('nowhere')\n"
        "assert store.get(store.put({'a': [1.5]}, dict)) == {'a': [1.5]}\n"
        "print([m for m in ('pyarrow', 'numpy', 'pandas', 'cloudpickle') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_numpy_scalars_are_plain(store: FileSystemStore) -> None:
    import numpy as np

    for value in (
        np.float64(0.1),
        np.float32(0.1),
        np.float16(0.1),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.complex64(1 + 2j),
        np.datetime64("2024-01-01T01:02", "s"),
        np.timedelta64(5, "ms"),
        np.float64("-inf"),
    ):
        ref = store.put(value, object)
        read = store.get(ref)
        assert ref.codec == "plain"
        assert type(read) is type(value)
        assert read == value
    assert json.loads(store.put(np.float64(0.25), float).payload or "")["value"] == 0.25


def test_subclasses_of_builtins_keep_their_class(store: FileSystemStore) -> None:
    for value in (
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]),
        collections.Counter("aab"),
        collections.deque([1, 2]),
        bytearray(b"x"),
    ):
        ref = store.put(value, object)
        read = store.get(ref)
        assert ref.codec == "pickle"
        assert read == value
        assert type(read) is type(value)


def test_cycles_come_back_as_cycles(store: FileSystemStore) -> None:
    value: list[object] = [1]
    value.append(value)
    read = store.get(store.put(value, list))
    assert isinstance(read, list)
    assert read[1] is read


def test_exponential_sharing_takes_linear_space(store: FileSystemStore) -> None:
    value: list[object] = []
    for _ in range(60):
        value = [value, value]
    ref = store.put(value, list)
    assert ref.size < 10_000
    read = store.get(ref)
    assert isinstance(read, list)
    assert read[0] is read[1]


def test_deep_nesting_is_an_error_that_says_so(store: FileSystemStore, folder: Path) -> None:
    value: list[object] = []
    for _ in range(10_000):
        value = [value]
    with pytest.raises(UnserializableValueError, match="nested too deeply"):
        store.put(value, list)
    assert not folder.exists()


def test_moderately_deep_nesting_comes_back(store: FileSystemStore) -> None:
    for depth in (60, 70, 150):
        value: list[object] = []
        for _ in range(depth):
            value = [value]
        assert store.get(store.put(value, list)) == value


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[1",
        '{"$":"nonsense"}',
        '{"$":"tuple"}',
        '{"$":"int","value":"xyz"}',
        '{"$":"enum","class":"tests.unit.artifacts.test_plain_values:Color"}',
        '{"$":"numpy","dtype":"nonsense","value":1}',
        '{"$":["unhashable"]}',
    ],
)
def test_damaged_payloads_are_reported(store: FileSystemStore, payload: str) -> None:
    ref = dataclasses.replace(store.put(1, int), payload=payload)
    with pytest.raises(CorruptArtifactError, match=ref.id):
        store.get(ref, verify=False)


def test_a_changed_payload_does_not_pass_the_check(store: FileSystemStore) -> None:
    ref = dataclasses.replace(store.put(1, int), payload="2")
    assert store.get(ref, verify=False) == 2
    for action in (store.get, store.check):
        with pytest.raises(CorruptArtifactError):
            action(ref)


@pytest.mark.parametrize("kind", ["dataclass", "enum", "namedtuple"])
@pytest.mark.parametrize("name", ["subprocess:Popen", "builtins:eval", "os:system"])
def test_payloads_cannot_call_what_is_no_record(
    store: FileSystemStore, kind: str, name: str
) -> None:
    content = {"$": kind, "class": name, "fields": {"args": ["true"]}, "name": "x"}
    ref = dataclasses.replace(store.put(1, int), payload=json.dumps(content))
    with pytest.raises(ArtifactError, match=name.split(":")[1]):
        store.get(ref, verify=False)
