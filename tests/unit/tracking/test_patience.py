"""Waiting for a record."""

import pytest

from sematic.errors import FencedError, RecordUnavailableError
from sematic.tracking import patience as patience_module
from sematic.tracking.faults import LockedError
from sematic.tracking.patience import Patience


class Locked:
    """Answers after so many attempts."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.attempts:
            raise LockedError("Another process has locked it.")
        return "written"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def patience(told: list[str], monkeypatch: pytest.MonkeyPatch) -> Patience:
    monkeypatch.setattr(patience_module, "_SECONDS_TO_TELL", 0.15)
    return Patience(told.append, most_seconds=50)


def test_what_works_at_once(patience: Patience, told: list[str]) -> None:
    assert patience.insist(Locked(0)) == "written"
    assert told == []


def test_what_works_soon_is_not_spoken_of(
    patience: Patience, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience_module, "_SECONDS_TO_TELL", 30.0)
    attempt = Locked(1)
    assert patience.insist(attempt) == "written"
    assert attempt.tries == 2
    assert told == []


def test_what_takes_longer_is_told_once(patience: Patience, told: list[str]) -> None:
    assert patience.insist(Locked(4)) == "written"
    assert told == [
        "Another process has locked it. Waiting for it, for 50 seconds at most.",
        "The record can be used again.",
    ]


def test_it_has_an_end(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience_module, "_SECONDS_TO_TELL", 0.0)
    with pytest.raises(RecordUnavailableError, match=r"locked it\. Waited for it for .* in vain"):
        Patience(told.append, most_seconds=0.5).insist(Locked(1_000))
    assert len(told) == 1


@pytest.mark.parametrize("error", [FencedError("taken over"), RecordUnavailableError("away")])
def test_other_errors_are_not_waited_for(patience: Patience, error: Exception) -> None:
    def attempt() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        patience.insist(attempt, on=LockedError)
    assert caught.value is error


def test_the_limit_is_told_in_minutes() -> None:
    assert Patience()._limit == "10 minutes"


def test_by_default_it_is_told_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience_module, "_SECONDS_TO_TELL", 0.0)
    Patience().insist(Locked(2))
    assert capsys.readouterr().err.splitlines() == [
        "sematic: Another process has locked it. Waiting for it, for 10 minutes at most.",
        "sematic: The record can be used again.",
    ]
