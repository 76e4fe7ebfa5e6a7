"""States, times and sizes as people read them in a terminal. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from sematic.states import RunState

SHORT_ID = 8
"""How many digits of an id people see; commands take ids of any length that is unique."""


@dataclass(frozen=True)
class Sign:
    """How a state looks.

    Attributes:
        symbol: one column wide.
        plain: the same for terminals without Unicode.
        colour: a name that both click and rich know.
        word: for counts, as in "3 running".
    """

    symbol: str
    plain: str
    colour: str
    word: str


SIGNS: Mapping[str, Sign] = {
    "RESOLVED": Sign("✓", "+", "green", "done"),
    "SCHEDULED": Sign("●", "*", "cyan", "running"),
    "RAN": Sign("◐", "~", "cyan", "expanded"),
    "RETRYING": Sign("↻", "r", "yellow", "retrying"),
    "CREATED": Sign("○", ".", "bright_black", "waiting"),
    "FAILED": Sign("✗", "x", "red", "failed"),
    "CANCELED": Sign("–", "-", "yellow", "canceled"),
    "NESTED_FAILED": Sign("✗", "x", "red", "nested failed"),
    "RUNNING": Sign("●", "*", "cyan", "running"),
    "COMPLETE": Sign("✓", "+", "green", "complete"),
    "DRIVER LOST": Sign("!", "!", "red", "driver lost"),
}
"""By the name of a run's state or a pipeline run's status, in the order of lists."""


def count_states(counts: Mapping[RunState, int], *, abandoned: bool = False) -> str:
    """How many runs are in each state, e.g. ``"3 done, 1 failed"``.

    Args:
        counts: by state.
        abandoned: whether nobody drives the runs any more: then none is running or waiting.
    """
    states = [RunState(name) for name in SIGNS if name in RunState.__members__]
    parts = [
        f"{counts[state]:,} {SIGNS[state.value].word}"
        for state in states
        if counts.get(state) and (state.is_terminal or not abandoned)
    ]
    unfinished = sum(counts.get(state, 0) for state in states if not state.is_terminal)
    return ", ".join([*parts, f"{unfinished:,} unfinished"] if abandoned and unfinished else parts)


def say_driver_lost(why: str) -> str:
    """Why what executed has ended, whose driver was lost; :func:`says_driver_lost` finds it again.

    Args:
        why: see :func:`sematic.tracking.liveness.why_lost`.
    """
    return f"driver lost: {why}"


def says_driver_lost(reason: str) -> bool:
    """Whether a recorded reason is, or ends with, what :func:`say_driver_lost` says."""
    return "driver lost: " in reason.lower()


def short_id(full: str) -> str:
    """The first digits of an id."""
    return full[:SHORT_ID]


def format_duration(seconds: float) -> str:
    """Two figures that matter, e.g. ``"12 ms"``, ``"1.2 s"``, ``"3 min 05 s"``."""
    if seconds < 0.00005:
        return "<0.1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.{1 if seconds < 0.00995 else 0}f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24:02} h"


def format_age(at: float, now: float) -> str:
    """How long ago something was, e.g. ``"3 minutes ago"``; the date where it is long ago."""
    seconds = now - at
    if seconds < 5:
        return "just now"
    for unit, length, most in (
        ("second", 1, 60),
        ("minute", 60, 60),
        ("hour", 3600, 24),
        ("day", 86400, 14),
    ):
        count = int(seconds / length)
        if count < most:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return format_time(at)[:10]


def format_time(at: float) -> str:
    """A time to the second, in the local time zone."""
    return datetime.fromtimestamp(at, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def format_size(size: int) -> str:
    """Bytes, e.g. ``"512 B"``, ``"1.2 KiB"``."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def format_count(count: int, noun: str) -> str:
    """A number of things, e.g. ``"1 run"``, ``"9,990 runs"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def clean(text: str) -> str:
    r"""A name or the like in one line: what is no visible character is a space.

    Half a surrogate pair, of which a text may consist, is written as in Python: ``\ud800``.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if "\ud800" <= character <= "\udfff":
        return f"\\u{ord(character):x}"
    return character if character.isprintable() else " "


def describe_error(kind: str, message: str, room: int = 500) -> str:
    """An error in one line, e.g. ``"ValueError: no luck"``.

    Args:
        kind: the path of its class; ``builtins.`` is left out.
        message: what it says, maybe nothing.
        room: the most characters; the sentences of this package fit into 500.
    """
    kind = kind.removeprefix("builtins.")
    return one_line(f"{kind}: {message}" if clean(message).strip() else kind, room)


def one_line(text: str, room: int = 200) -> str:
    """The first line of a text, without control characters, cut after ``room`` characters."""
    first = text.lstrip().split("\n", 1)[0].rstrip()
    shown = clean(first[: room + 1]).rstrip()
    is_whole = len(shown) <= room and len(first) <= room and len(first) == len(text.strip())
    return shown if is_whole else f"{shown[: room - 1].rstrip()}…"
