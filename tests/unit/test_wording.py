"""States, times and sizes in words."""

import pytest

from sematic.states import PipelineRunStatus, RunState
from sematic.wording import (
    SIGNS,
    clean,
    count_states,
    describe_error,
    format_age,
    format_count,
    format_duration,
    format_size,
    one_line,
)


def test_every_state_has_a_sign() -> None:
    names = {*RunState.__members__, *PipelineRunStatus.__members__}
    assert names <= SIGNS.keys()
    assert all(len(sign.symbol) == 1 for sign in SIGNS.values())
    assert all(sign.plain.isascii() and len(sign.plain) == 1 for sign in SIGNS.values())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "<0.1 ms"),
        (0.0004, "0.4 ms"),
        (0.0123, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (90000, "1 d 01 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "just now"),
        (4, "just now"),
        (30, "30 seconds ago"),
        (60, "1 minute ago"),
        (7200, "2 hours ago"),
        (86400 * 13, "13 days ago"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert format_age(1_000_000_000 - seconds, 1_000_000_000) == text


def test_long_ago_is_a_date() -> None:
    assert format_age(1_000_000_000, 1_700_000_000) in ("2001-09-08", "2001-09-09", "2001-09-10")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes(size: int, text: str) -> None:
    assert format_size(size) == text


def test_counts() -> None:
    assert format_count(1, "run") == "1 run"
    assert format_count(9990, "run") == "9,990 runs"


def test_states() -> None:
    counts = {
        RunState.NESTED_FAILED: 1,
        RunState.FAILED: 1,
        RunState.SCHEDULED: 2,
        RunState.RESOLVED: 3000,
    }
    assert count_states(counts) == "3,000 done, 2 running, 1 failed, 1 nested failed"
    assert count_states(counts, abandoned=True) == (
        "3,000 done, 1 failed, 1 nested failed, 2 unfinished"
    )
    assert count_states({}) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("short", "short"),
        ("  two\nlines", "two…"),
        ("tab\tand \x1b[31m", "tab and  [31m"),
        ("x" * 10, "x" * 10),
        ("x" * 11, "x" * 9 + "…"),
        ("", ""),
        ("x\n" * 5, "x…"),
        ("x\n", "x"),
        ("x" * 10 + " more", "x" * 9 + "…"),  # what is cut off begins with a space
        ("x" * 8 + " more", "x" * 8 + "…"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text, 10 if text.startswith("x") else 20) == line


def test_names_are_shown_in_one_line() -> None:
    assert clean("a name, Umläute & 漢字") == "a name, Umläute & 漢字"
    assert clean("two\nlines\tand \x1b[31mred") == "two lines and  [31mred"


def test_an_error_without_a_message_is_its_class() -> None:
    assert describe_error("builtins.ValueError", "no luck\nat all") == "ValueError: no luck…"
    assert describe_error("builtins.KeyboardInterrupt", "") == "KeyboardInterrupt"
    assert describe_error("builtins.ValueError", "\x00\x07") == "ValueError"


def test_half_a_surrogate_pair_is_shown_as_python_writes_it() -> None:
    assert clean("a\ud800\udfffb\n") == r"a\ud800\udfffb "
    assert describe_error("builtins.ValueError", "\ud800") == r"ValueError: \ud800"
