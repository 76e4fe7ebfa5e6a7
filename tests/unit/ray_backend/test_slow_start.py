"""Ray has time to start on a busy machine."""

import pytest

from sematic.ray_backend import slow_start
from sematic.ray_backend.slow_start import patient


class Nodes:
    """Has one that appears after so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self, address: str, *, node_id: str) -> str:
        self.looks -= 1
        if self.looks >= 0:
            raise RuntimeError(f"{node_id} is not there.")
        return f"{node_id} at {address}"


def test_a_node_that_is_not_there_yet_is_waited_for() -> None:
    assert patient(Nodes(3))("here", node_id="a") == "a at here"


def test_one_that_never_comes_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_start, "_SECONDS_TO_APPEAR", 0.3)
    with pytest.raises(RuntimeError, match=r"^a is not there\.$"):
        patient(Nodes(1_000_000))("here", node_id="a")


def test_other_errors_are_raised_at_once() -> None:
    def fail() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        patient(fail)()
