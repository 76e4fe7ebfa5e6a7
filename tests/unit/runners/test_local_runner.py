"""The options of LocalRunner that can be wrong before anything runs."""

import traceback
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.errors import InvalidOptionError, RecordError


@sematic.func
def number() -> int:
    return 1


HUGE = pytest.param(10**5000, id="huge")  # Python refuses to write its digits
NEGATIVE = pytest.param(-(10**5000), id="negative")


@pytest.mark.parametrize("value", [5, True, b"10.0.0.1:6379", "", " ", ("10.0.0.1", 6379)])
def test_no_address(value: Any) -> None:
    with pytest.raises(InvalidOptionError, match=r"ray_address must be .* such as '10\.0\.0\.1:63"):
        sematic.LocalRunner(ray_address=value)


@pytest.mark.parametrize("value", ["", "loud", 5, [], False, HUGE])
def test_no_progress(value: Any) -> None:
    with pytest.raises(InvalidOptionError, match="progress must be one of auto, plain, off"):
        sematic.LocalRunner(progress=value)


@pytest.mark.parametrize("value", [None, "", "ignore", [], HUGE])
def test_no_way_to_fail(value: Any) -> None:
    with pytest.raises(InvalidOptionError, match="on_failure must be one of cancel, drain"):
        sematic.LocalRunner(on_failure=value)


@pytest.mark.parametrize("value", [1, 2**63, 10**400, HUGE])
def test_any_parallelism(value: int) -> None:
    assert sematic.LocalRunner(max_parallelism=value, progress="off").run(number()) == 1


@pytest.mark.parametrize("value", [0, -1, NEGATIVE, 1.0, True, "2"])
def test_no_parallelism(value: Any) -> None:
    with pytest.raises(InvalidOptionError, match="max_parallelism must be a positive integer or"):
        sematic.LocalRunner(max_parallelism=value)


def test_a_record_that_cannot_be_used_is_told_without_frames_of_this_package(
    config_directory: Path,
) -> None:
    config_directory.mkdir()
    (config_directory / "sematic.db").write_text("this is no database" * 100)
    with pytest.raises(RecordError, match="it is damaged, or is no SQLite file") as caught:
        sematic.LocalRunner(progress="off").run(number())
    shown = "".join(traceback.format_exception(caught.value))
    assert "DatabaseError: file is not a database" in shown
    assert "connections.py" not in shown
