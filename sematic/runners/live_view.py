"""The lines of the live display: a tree of runs, or a bar and what is running."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sematic.runners.standing import SeenRun, Standing
from sematic.states import RunState
from sematic.wording import SIGNS, count_states, format_duration, short_id

_MOST_IN_TREE = 20
_MOST_RUNNING = 5
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 8


def render(
    standing: Standing,
    *,
    title: str,
    seconds: float,
    now: float,
    stream: TextIO,
    width: int,
    height: int,
) -> Sequence[str]:
    """How a pipeline run stands, as lines with colours.

    Args:
        standing: as of now.
        title: of the pipeline run.
        seconds: how long it has taken.
        now: seconds since the epoch.
        stream: the terminal: which colours and characters it takes.
        width: columns that there are.
        height: lines that there are.
    """
    # One column less: a line that fills the terminal leaves the cursor between two lines.
    console = Console(file=stream, width=max(width - 1, 20), height=height, force_terminal=True)
    view = _View(standing, now, unicode=console.encoding.startswith("utf"))
    if 0 < standing.total <= min(_MOST_IN_TREE, height - 3):
        shown: RenderableType = view.tree()
    else:
        shown = view.bar(title, seconds, min(40, width // 3))
    if standing.ended_at is not None:  # Ray takes a while to stop
        shown = Group(shown, Text("finishing ...", "bright_black"))
    with console.capture() as capture:
        console.print(shown, no_wrap=True, overflow="ellipsis", crop=True)
    return capture.get().rstrip("\n").split("\n")


class _View:
    """Renders a standing at one moment."""

    def __init__(self, standing: Standing, now: float, *, unicode: bool) -> None:
        self._standing = standing
        self._now = now
        self._unicode = unicode

    def tree(self) -> RenderableType:
        """All runs, each below the one that it is nested in."""
        children = defaultdict(list)
        for run in self._standing.runs.values():
            children[run.parent_id].append(run)
        grid = _grid()
        for stem, run in self._walk(children):
            name = Text.assemble(stem, self._sign(run.state), " ", run.name)
            if run.parent_id is None:
                name.append(f" {short_id(run.id)}", "yellow")
            grid.add_row(name, self._elapsed(run), _note(run))
        return grid

    def _walk(self, children: dict[str | None, list[SeenRun]]) -> Iterator[tuple[Text, SeenRun]]:
        branch, corner, line = ("├─ ", "└─ ", "│  ") if self._unicode else ("|- ", "`- ", "|  ")
        pending = [("", "", run) for run in children[None]]
        while pending:
            stem, below, run = pending.pop()
            yield Text(stem, "bright_black"), run
            nested = children[run.id]
            items = [
                (below + corner, f"{below}   ", child)
                if child is nested[-1]
                else (below + branch, below + line, child)
                for child in nested
            ]
            pending.extend(reversed(items))

    def bar(self, title: str, seconds: float, width: int) -> RenderableType:
        """How much is done, how many runs are in which state, and what is running."""
        standing = self._standing
        line = _grid()
        line.add_row(
            Text.assemble(self._sign(RunState.SCHEDULED), " ", (title, "bold")),
            ProgressBar(total=max(standing.total, 1), completed=standing.done, width=width),
            Text(f"{standing.done:,}/{standing.total:,}"),
            Text(format_duration(seconds), "bright_black"),
        )
        return Group(line, Text(f"  {count_states(standing.counts)}"), *self._running())

    def _running(self) -> Iterator[RenderableType]:
        running = self._standing.running()
        grid = _grid()
        for run in islice(running, _MOST_RUNNING):
            name = Text.assemble("  ", self._sign(run.state), " ", run.name)
            grid.add_row(name, Text(short_id(run.id), "yellow"), self._elapsed(run), _note(run))
        yield grid
        if len(running) > _MOST_RUNNING:
            yield Text(f"    ... {len(running) - _MOST_RUNNING:,} more running", "bright_black")

    def _sign(self, state: RunState) -> Text:
        sign = SIGNS[state.value]
        if not self._unicode:
            return Text(sign.plain, sign.colour)
        if state is RunState.SCHEDULED:
            frame = int(self._now * _FRAMES_PER_SECOND) % len(_SPINNER)
            return Text(_SPINNER[frame], sign.colour)
        return Text(sign.symbol, sign.colour)

    def _elapsed(self, run: SeenRun) -> Text:
        if run.began_at is None:
            return Text()
        until = self._now if run.ended_at is None else run.ended_at
        return Text(format_duration(until - run.began_at), "bright_black")


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    return grid


def _note(run: SeenRun) -> Text:
    if run.reused:
        return Text("reused", "bright_black")
    return Text(f"attempt {run.attempt}" if run.attempt > 1 else "", "yellow")
