"""What the package offers for tests of pipelines. The ports are tested in tests/contract."""

from typing import List
from unittest.mock import MagicMock

import pytest

import sematic
from sematic import SilentRunner
from sematic.errors import CastError, PipelineRunError
from sematic.testing import FakeClock, SematicFuncMock, mock_sematic_funcs


@sematic.func
def load(path: str) -> List[int]:
    raise AssertionError("not in tests")


@sematic.func
def train(data: List[int], rate: float = 0.5) -> float:
    raise AssertionError("not in tests")


@sematic.func
def pipeline(path: str) -> float:
    return train(load(path))


def run() -> object:
    return SilentRunner().run(pipeline("x"))


def test_the_code_of_functions_is_replaced() -> None:
    with mock_sematic_funcs([load, train]) as mocks:
        mocks[load].mock.return_value = [1, 2]
        mocks[train].mock.return_value = 0.25
        assert run() == 0.25
    mocks[load].mock.assert_called_once_with(path="x")
    mocks[train].mock.assert_called_once_with(data=[1, 2], rate=0.5)


def test_the_original_can_be_had() -> None:
    original = load.func
    with mock_sematic_funcs([load]) as mocks:
        assert isinstance(mocks[load], SematicFuncMock)
        assert isinstance(mocks[load].mock, MagicMock)
        assert mocks[load].original is original
        mocks[load].mock.side_effect = lambda path: [len(path)]
        assert SilentRunner().run(load("abc")) == [3]
    assert load.func is original


def test_types_are_still_checked() -> None:
    with mock_sematic_funcs([load, train]) as mocks:
        mocks[load].mock.return_value = "not a list"
        with pytest.raises(PipelineRunError) as caught:
            run()
        assert isinstance(caught.value.__cause__, CastError)
        with pytest.raises(CastError):
            load(3)  # type: ignore[arg-type]


def test_functions_are_as_before_after_an_error() -> None:
    original = load.func
    with pytest.raises(ZeroDivisionError), mock_sematic_funcs([load]):
        raise ZeroDivisionError
    assert load.func is original


def test_mocks_can_raise() -> None:
    with mock_sematic_funcs([load]) as mocks:
        mocks[load].mock.side_effect = OSError("no network")
        with pytest.raises(PipelineRunError, match="no network"):
            run()


def test_a_function_may_be_named_twice() -> None:
    original = load.func
    with mock_sematic_funcs([load, load]):
        pass
    assert load.func is original


def test_only_decorated_functions_can_be_mocked() -> None:
    def plain() -> None: ...

    with (
        pytest.raises(
            ValueError, match="must be given a list of functions decorated with"
        ) as caught,
        mock_sematic_funcs([load, plain]),
    ):  # type: ignore[list-item]
        pytest.fail("plain is not decorated")
    assert repr(plain) in str(caught.value)


def test_a_fake_clock_tells_what_it_is_told() -> None:
    clock = FakeClock(5.0)
    clock.advance(2.5)
    assert clock() == clock.now == 7.5
