"""What a pipeline run shows while it runs: a live display, plain lines, or nothing.

All of it goes to standard error. Whatever goes wrong with it, the pipeline run goes on.
"""

import logging
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from sematic.errors import CancellationError, PipelineRunError, RecordFullError
from sematic.events import Change
from sematic.future import Future
from sematic.ports import Listener
from sematic.runners.live import LiveTerminal, can_draw, can_write, live_terminal
from sematic.runners.standing import Failure, Standing
from sematic.states import PipelineRunStatus, RunState
from sematic.types.display import short_repr
from sematic.wording import (
    SIGNS,
    clean,
    count_states,
    describe_error,
    format_count,
    format_duration,
    one_line,
    short_id,
)

_QUICK_SECONDS = 0.3
_FRAME_SECONDS = 1 / 8
_LOOK_SECONDS = 0.5
_HEARTBEAT_SECONDS = 10.0
_VALUE_ROOM = 200
_MOST_ALIKE = 3  # failures that are told one by one
_CODES = {"green": 32, "red": 31, "yellow": 33, "cyan": 36, "bright_black": 90}

_log = logging.getLogger("sematic")


class Progress(Protocol):
    """What shows a pipeline run."""

    listeners: Sequence[Listener]
    """To be told of every change; they return at once."""

    def announce(self, sentence: str) -> None:
        """Show one sentence, e.g. about something that takes a while. From any thread."""

    def conclude(self, value: Any) -> None:
        """Keep the value of the pipeline run, to be shown at the end."""


HasLog = Callable[[str], bool]
"""Whether a run of the pipeline run has printed anything."""


@contextmanager
def progress_display(
    kind: str,
    root: Future,
    has_log: HasLog = lambda _: False,
    *,
    began_at: float | None = None,
) -> Iterator[Progress]:
    """Show the run of a root future while the block runs, and its outcome at the end.

    Args:
        kind: ``"auto"`` for a live display where standard error is a terminal, and plain lines
            elsewhere; ``"plain"`` for plain lines; ``"off"`` for nothing.
        root: what is run.
        has_log: only then it is told how to read the log.
        began_at: seconds since the epoch, as the record has it; ``None`` for now.
    """
    if kind == "off":
        yield _Silence()
        return
    stream = sys.stderr
    live = kind == "auto" and _live_lock.acquire(blocking=False)
    try:
        if live and can_draw(stream):
            with live_terminal(stream) as terminal:
                shown = _LiveProgress(root, stream, has_log, terminal=terminal)
                with _showing(shown, began_at):
                    yield shown
        else:
            lines = _PlainProgress(root, stream, has_log)
            with _showing(lines, began_at):
                yield lines
    finally:
        if live:
            _live_lock.release()


_live_lock = threading.Lock()  # two live displays would draw over each other


@contextmanager
def _showing(progress: "_ShownProgress", began_at: float | None) -> Iterator[None]:
    """Show the outcome unless the record of it failed: then nothing is certain."""
    progress.started_at = began_at or progress.started_at
    progress.start()
    try:
        yield
    except (PipelineRunError, CancellationError):
        progress.stop(certain=True)
        raise
    except RecordFullError as error:
        progress.stop(certain=error.recorded)
        raise
    except BaseException:
        progress.stop(certain=False)
        raise
    else:
        progress.stop(certain=True)


class _Silence:
    """Shows nothing."""

    listeners: Sequence[Listener] = ()

    def announce(self, sentence: str) -> None:
        pass

    def conclude(self, value: Any) -> None:
        pass


class _ShownProgress:
    """Collects changes, and looks at them from a thread of its own."""

    def __init__(self, root: Future, stream: TextIO, has_log: HasLog) -> None:
        self.root = root
        self.stream = stream
        self._has_log = has_log
        self.standing = Standing()
        self.started_at = time.time()
        self._changes: deque[Change] = deque()
        self.listeners: Sequence[Listener] = (self._changes.append,)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sematic-progress", daemon=True)
        self._value = ""
        self._has_begun = False
        self._beginning = threading.Lock()

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, certain: bool) -> None:
        self._ended.set()
        self._thread.join()
        self._guard(self._catch_up)
        if certain:
            self._guard(self.show_end)

    def conclude(self, value: Any) -> None:
        def keep() -> None:
            self._value = describe_value(value)

        self._guard(keep)

    def announce(self, sentence: str) -> None:
        self._begin()
        self._guard(lambda: self.say(self.paint(sentence, "bright_black")))

    def _begin(self) -> None:
        """Show the start when something has happened: the record may turn out to be damaged."""
        with self._beginning:
            begins, self._has_begun = not self._has_begun, True
            if begins:
                self._guard(self.show_start)

    def _work(self) -> None:
        pause = _QUICK_SECONDS
        while not self._ended.wait(pause):
            pause = self.pause
            if not self._guard(self._look):
                return

    def _look(self) -> None:
        self._catch_up()
        self.show()

    def _catch_up(self) -> None:
        if self._changes:
            self._begin()
        self.standing.take(_drain(self._changes))
        self.show_failures(self.standing.failures)

    def _guard(self, show: Callable[[], None]) -> bool:
        """Show something; false if that failed. A display must not fail what it displays."""
        try:
            show()
        except Exception:  # noqa: BLE001  a closed stream, an odd terminal, a bug of ours
            _log.debug("The progress display failed", exc_info=True)
            return False
        return True

    def say(self, *lines: str) -> None:
        """Write lines as one piece."""
        self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, if this display has colours."""
        return text

    def sign(self, state: str) -> str:
        """The sign of a state, as this stream can show it."""
        sign = SIGNS[state]
        return sign.symbol if can_write(self.stream, sign.symbol) else sign.plain

    @property
    def room(self) -> int:
        """How many columns a line may take."""
        return _VALUE_ROOM

    @property
    def seconds(self) -> float:
        """How long the pipeline run has taken; what is tidied up after its end does not count."""
        return (self.standing.ended_at or time.time()) - self.started_at

    @property
    def title(self) -> str:
        """The name of the pipeline run, and its short id."""
        return f"{clean(self.root.props.name)} {short_id(self.root.id)}"

    # --- what the kinds of display differ in ---------------------------------------------------

    pause = _LOOK_SECONDS
    shows_failures = False
    """Whether each failure was shown when it happened."""

    def show_start(self) -> None:
        """Show that the pipeline run starts."""

    def show(self) -> None:
        """Show how it stands."""

    def show_failures(self, failures: Sequence[Failure]) -> None:
        """Show that runs failed, right now."""

    def show_end(self) -> None:
        """Show how it ended, if it came to a regular end."""
        standing = self.standing
        if standing.status is None or standing.ended_at is None:
            return
        status = standing.status.value
        took = format_duration(self.seconds)
        colour = SIGNS[status].colour
        sign, word = self.paint(self.sign(status), colour), self.paint(status, colour)
        end = f"in {took}  ({format_count(standing.total, 'run')})"
        fits = len(f"x {self.title}  {status} {end}") <= self.room
        between = "  " if fits else "\n  "
        self.say(
            f"{sign} {self.title}{between}{word} {end}",
            *(f"  {line}" for line in self._details()),
        )

    def _details(self) -> Iterator[str]:
        standing, room = self.standing, self.room - 2
        if standing.done < standing.total:
            yield one_line(count_states(standing.counts), room)
        if standing.failure is not None:
            failure = standing.failure
            if not self.shows_failures:
                why = one_line(f"{failure.name} failed: {_why(failure)}", room)
                yield self.paint(why, "red")
            short = short_id(failure.run_id)
            logs = f"   sematic logs {short}" if self._has_log(failure.run_id) else ""
            yield self.paint(f"sematic show {short}{logs}", "bright_black")
            return
        if standing.reason:
            yield one_line(standing.reason, room)
        if self._value:
            yield one_line(self._value, room)
        yield self.paint(f"sematic show {short_id(self.root.id)}", "bright_black")


class _PlainProgress(_ShownProgress):
    """Lines, few of them."""

    shows_failures = True

    def __init__(self, root: Future, stream: TextIO, has_log: HasLog) -> None:
        super().__init__(root, stream, has_log)
        self._last_heartbeat = time.time()
        self._told: Counter[str] = Counter()  # how often each reason

    def show_start(self) -> None:
        self.say(f"{self.title} started")

    def show(self) -> None:
        now = time.time()
        if not self._has_begun or now - self._last_heartbeat < _HEARTBEAT_SECONDS:
            return
        self._last_heartbeat = now
        standing = self.standing
        took = format_duration(self.seconds)
        done = f"{standing.done:,}/{format_count(standing.total, 'run')} done"
        running = f", {len(standing.running()):,} running, {took}"
        # Ray takes a while to stop.
        self.say(f"{self.title}: {done}{running if standing.ended_at is None else ', finishing'}")

    def show_failures(self, failures: Sequence[Failure]) -> None:
        for failure in failures:
            why = _why(failure)
            self._told[why] += 1
            if self._told[why] <= _MOST_ALIKE:
                self.say(f"{failure.name} {short_id(failure.run_id)} failed: {why}")
            elif self._told[why] == _MOST_ALIKE + 1:
                self.say("and others, for the same reason")


class _LiveProgress(_ShownProgress):
    """A block of lines at the end of a terminal, drawn anew again and again."""

    pause = _FRAME_SECONDS

    def __init__(
        self, root: Future, stream: TextIO, has_log: HasLog, *, terminal: LiveTerminal
    ) -> None:
        super().__init__(root, stream, has_log)
        self._terminal = terminal
        self._colours = not os.environ.get("NO_COLOR")

    def say(self, *lines: str) -> None:
        self._terminal.write_lines(lines)

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self._colours else text

    @property
    def room(self) -> int:
        return self._terminal.width

    def show_end(self) -> None:
        if self.standing.status is PipelineRunStatus.CANCELED:
            self._terminal.break_line()  # ^C was shown by the terminal itself
        super().show_end()

    def show(self) -> None:
        self._release_terminal()
        self._terminal.draw(self._render)

    def _render(self, width: int, height: int) -> Sequence[str]:
        from sematic.runners.live_view import render  # loads rich: only if somebody waits

        return render(
            self.standing,
            title=self.title,
            seconds=self.seconds,
            now=time.time(),
            stream=self.stream,
            width=width,
            height=height,
        )

    def _release_terminal(self) -> None:
        """A call that was being debugged may have ended."""
        held_by = self._terminal.held_by
        if held_by:
            run = self.standing.runs.get(held_by)
            if run is None or run.state is not RunState.SCHEDULED:
                self._terminal.release()


def _drain(changes: "deque[Change]") -> Iterator[Change]:
    """What is in a queue at this moment; what comes meanwhile is left for the next time."""
    for _ in range(len(changes)):
        yield changes.popleft()


def describe_value(value: Any) -> str:
    """A value in one line, bounded; empty for ``None``."""
    if value is None:
        return ""
    kind = type(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:  # arrays and frames: their repr takes many lines
        return f"{kind.__qualname__} of shape {' × '.join(map(str, shape))}"
    return one_line(" ".join(short_repr(value, _VALUE_ROOM).split()), _VALUE_ROOM)


def _why(failure: Failure) -> str:
    if failure.error is None:
        return "for a reason that is not known"
    return describe_error(failure.error.type, failure.error.message)
