"""RetrySettings: which failures are followed by another attempt."""

import pytest

from sematic import RetrySettings
from sematic.errors import InvalidOptionError


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


@pytest.mark.parametrize("retries", [-1, 1.0, True, "3", None])
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
