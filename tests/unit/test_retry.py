"""RetrySettings: which failures are followed by another attempt."""

import math

import pytest

from sematic import RetrySettings
from sematic.errors import InvalidOptionError
from sematic.recorded_functions import recorded_class
from sematic.retry import MOST_SECONDS
from sematic.types import names


@pytest.mark.parametrize("exceptions", [(ValueError,), [ValueError], {ValueError}])
def test_exceptions_become_a_tuple(exceptions) -> None:
    assert RetrySettings(exceptions=exceptions, retries=1).exceptions == (ValueError,)


@pytest.mark.parametrize("exceptions", [ValueError, "ValueError", None])
def test_exceptions_must_be_a_tuple(exceptions) -> None:
    with pytest.raises(InvalidOptionError, match="exceptions should be a tuple, got"):
        RetrySettings(exceptions=exceptions, retries=1)


@pytest.mark.parametrize("exception", [int, "ValueError", ValueError("x")])
def test_exceptions_must_be_exception_types(exception) -> None:
    with pytest.raises(InvalidOptionError, match="should hold exception types"):
        RetrySettings(exceptions=(exception,), retries=1)


HUGE = pytest.param(10**5000, id="huge")  # Python refuses to write its digits


@pytest.mark.parametrize("retries", [-1, 1.0, True, "3", None, 10**9 + 1, 1e308, math.inf, HUGE])
def test_retries_must_be_an_int_of_at_least_zero(retries) -> None:
    with pytest.raises(InvalidOptionError, match="retries should be"):
        RetrySettings(exceptions=(ValueError,), retries=retries)


def test_matches_by_path_so_ancestors_count() -> None:
    settings = RetrySettings(exceptions=(ArithmeticError,), retries=1)
    assert settings.matches(["builtins.ZeroDivisionError", "builtins.ArithmeticError"])
    assert not settings.matches(["builtins.ValueError", "builtins.Exception"])


def test_settings_are_frozen_and_equal_by_content() -> None:
    settings = RetrySettings(exceptions=(ValueError,), retries=1)
    assert settings == RetrySettings(exceptions=[ValueError], retries=1)
    with pytest.raises(AttributeError):
        settings.retries = 5  # type: ignore[misc]


# --- pauses


def pauses(count: int = 6, *, seed: str = "run", **settings: float) -> list[float]:
    retry = RetrySettings((ValueError,), retries=count, **settings)
    return [retry.pause(failures, seed=seed) for failures in range(1, count + 1)]


def test_without_backoff_there_is_no_pause() -> None:
    assert pauses(3) == [0.0, 0.0, 0.0]


def test_a_pause_is_twice_as_long_as_the_one_before() -> None:
    assert pauses(4, backoff_seconds=0.5, jitter=0) == [0.5, 1.0, 2.0, 4.0]


def test_no_pause_is_longer_than_the_longest() -> None:
    capped = pauses(5, backoff_seconds=1, max_backoff_seconds=3, jitter=0)
    assert capped == [1.0, 2.0, 3.0, 3.0, 3.0]
    assert pauses(2, backoff_seconds=9, max_backoff_seconds=3, jitter=0) == [3.0, 3.0]


def test_no_pause_is_longer_than_an_hour_unless_it_is_wished() -> None:
    retry = RetrySettings((ValueError,), retries=10_000, backoff_seconds=1.0, jitter=0.0)
    assert retry.pause(10_000, seed="run") == 3600.0
    century = {"backoff_seconds": MOST_SECONDS, "max_backoff_seconds": MOST_SECONDS}
    longest = RetrySettings((ValueError,), 1, jitter=0, **century)
    assert longest.pause(1_000, seed="run") == MOST_SECONDS


@pytest.mark.parametrize("jitter", [0.1, 0.25, 1.0])
def test_a_pause_is_shortened_by_the_jitter_at_most(jitter: float) -> None:
    shares = [pauses(1, seed=str(i), backoff_seconds=8, jitter=jitter)[0] / 8 for i in range(500)]
    assert 1 - jitter <= min(shares) < 1 - 0.9 * jitter
    assert 1 - 0.1 * jitter < max(shares) <= 1
    assert sum(shares) / len(shares) == pytest.approx(1 - jitter / 2, abs=0.05)


def test_jitter_holds_below_the_longest_pause_too() -> None:
    """Else all calls that failed together would come back together from there on."""
    capped = {pauses(9, seed=str(i), backoff_seconds=1, max_backoff_seconds=4)[-1] for i in (1, 2)}
    assert len(capped) == 2
    assert max(capped) <= 4


def test_the_same_failure_gives_the_same_pause() -> None:
    settings = {"backoff_seconds": 1.0, "jitter": 1.0}
    assert pauses(seed="a", **settings) == pauses(seed="a", **settings)
    assert pauses(seed="a", **settings) != pauses(seed="b", **settings)
    shares = [pause / 2**i for i, pause in enumerate(pauses(seed="a", **settings))]
    assert len(set(shares)) == len(shares), "every pause has a random part of its own"


@pytest.mark.parametrize("name", ["backoff_seconds", "max_backoff_seconds", "jitter"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, True, "1", None, 10**400, 1e308])
def test_pauses_must_be_numbers(name: str, value: object) -> None:
    with pytest.raises(InvalidOptionError, match=f"^{name} should be a number "):
        RetrySettings((ValueError,), retries=1, **{name: value})  # type: ignore[arg-type]


def test_jitter_is_a_share() -> None:
    with pytest.raises(InvalidOptionError, match="from 0 to 1"):
        RetrySettings((ValueError,), retries=1, jitter=1.5)
    with pytest.raises(InvalidOptionError, match="at least 0"):
        RetrySettings((ValueError,), retries=1, backoff_seconds=-1)


def test_exceptions_of_a_script_match_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    own = type("Own", (Exception,), {"__module__": "__main__"})
    settings = RetrySettings(exceptions=(own,), retries=1)
    monkeypatch.setattr(names, "_told_name", "my_script")
    assert settings.matches(["my_script.Own"])
    assert not settings.matches(["other_script.Own"])


def test_exceptions_of_a_notebook_match_in_a_process_that_only_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = RetrySettings(exceptions=(recorded_class("__main__.Own"),), retries=1)
    monkeypatch.setattr(names, "_told_name", "command")
    assert settings.matches(["__main__.Own"])
