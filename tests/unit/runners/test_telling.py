"""Warnings for who runs a pipeline."""

import inspect
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from sematic.runners.telling import build_teller


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_who_runs_a_pipeline_is_warned_at_their_line() -> None:
    tell, here = build_teller(), line()
    with pytest.warns(UserWarning, match="a sentence") as caught, ThreadPoolExecutor(1) as thread:
        thread.submit(tell, "a sentence")
    assert (caught[0].filename, caught[0].lineno) == (__file__, here)


def test_warnings_that_are_errors_are_logged(caplog) -> None:
    """The threads that tell something have nobody who could catch it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_teller()("a sentence")
    assert caplog.messages == ["a sentence"]


def test_filters_go_by_the_users_module() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module=__name__)
        build_teller()("a sentence")
    assert not caught
