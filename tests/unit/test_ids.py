"""Ids as users give them."""

from typing import Any

import pytest

import sematic
from sematic.client import block_on_run, cancel_run, get_artifact_value, get_run_output
from sematic.errors import InvalidOptionError
from sematic.ids import check_id

NO_IDS = [None, 5, True, b"0a1b", ["0a1b"], object(), "", " "]


@sematic.func
def number() -> int:
    return 1


def test_an_id() -> None:
    assert check_id("resume", "0a1b") == "0a1b"
    assert check_id("resume", " 0A1b\n") == "0A1b"  # pasted


@pytest.mark.parametrize("value", NO_IDS)
def test_what_is_none(value: object) -> None:
    with pytest.raises(InvalidOptionError, match=r"^resume must be the id of a run, a string such"):
        check_id("resume", value)


def test_a_future_in_its_place() -> None:
    with pytest.raises(InvalidOptionError, match=r"Write rerun_from=future\.id\.$"):
        check_id("rerun_from", number())
    with pytest.raises(InvalidOptionError, match="`sematic runs` lists them"):
        check_id("rerun_from", number() + 1)


@pytest.mark.parametrize("option", ["rerun_from", "resume"])
@pytest.mark.parametrize("value", NO_IDS[1:])
def test_options_of_a_runner(option: str, value: object) -> None:
    with pytest.raises(InvalidOptionError, match=f"^{option} must be the id of a run"):
        sematic.LocalRunner(**{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("ask", [block_on_run, cancel_run, get_run_output])
@pytest.mark.parametrize("value", NO_IDS)
def test_the_client(ask: Any, value: object) -> None:
    with pytest.raises(InvalidOptionError, match=r"^run_id must be the id of a run"):
        ask(value)


@pytest.mark.parametrize("value", NO_IDS)
def test_an_artifact(value: Any) -> None:
    with pytest.raises(InvalidOptionError, match=r"^artifact_id must be the id of an artifact"):
        get_artifact_value(value)
