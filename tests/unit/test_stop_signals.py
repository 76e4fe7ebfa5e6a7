"""What is printed where nobody catches what a wish to end raises."""

import sys

import pytest

from sematic.errors import CancellationError
from sematic.stop_signals import Parting, end_in_one_line, parting_of


def printed(error: BaseException, capsys: pytest.CaptureFixture[str]) -> str:
    try:
        raise error
    except BaseException as caught:
        sys.excepthook(type(caught), caught, caught.__traceback__)
    return capsys.readouterr().err


@pytest.fixture
def in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    end_in_one_line()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyboardInterrupt(Parting("Left.")), "Left.\n"),
        (CancellationError("Enough."), "sematic.errors.CancellationError: Enough.\n"),
    ],
)
def test_a_line_says_all(in_one_line, capsys, error, line) -> None:
    assert printed(error, capsys) == line


def test_everything_else_has_its_traceback(in_one_line, capsys) -> None:
    assert printed(ValueError("x"), capsys).startswith("Traceback")
    assert printed(KeyboardInterrupt(), capsys).startswith("Traceback")
    because = CancellationError("Enough.")
    because.__cause__ = ValueError("the user's own")
    assert "ValueError: the user's own" in printed(because, capsys)


def test_a_hook_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = lambda *_: None  # noqa: E731
    monkeypatch.setattr(sys, "excepthook", own)
    end_in_one_line()
    assert sys.excepthook is own


def test_only_a_second_ctrl_c_has_a_parting_word() -> None:
    assert parting_of(KeyboardInterrupt()) is None
    assert parting_of(KeyboardInterrupt("by the user's code")) is None
    assert parting_of(ValueError(Parting("x"))) is None
