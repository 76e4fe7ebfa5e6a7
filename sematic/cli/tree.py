"""The runs of a pipeline run as a tree, however many there are.

Nothing here is recursive: runs may be nested ten thousand deep.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sematic.cli.screen import Screen
from sematic.wording import format_count

if TYPE_CHECKING:
    from sematic.tracking.views import RunRow

_FEW_LINES = 100
# How many siblings of one function and label are shown, and how many levels: the first that gives
# few lines. A group that is only a little larger is shown whole.
_LIMITS = ((10, 12), (5, 8), (3, 6), (2, 4))
_SLACK = 2
# Deeper levels are not indented any further: a line must end somewhere.
_DEEPEST_INDENT = 40


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A line of the tree.

    Attributes:
        stem: the lines drawn before the run.
        run: the run, or ``None`` where several are summed up.
        summary: what is summed up.
    """

    stem: str
    run: "RunRow | None"
    summary: str = ""


class RunTree:
    """Runs and what is nested in them.

    Args:
        runs: of one pipeline run, in the order of their creation.
        label: what is said of each; those of one function and label are summed up.
    """

    def __init__(
        self,
        runs: Sequence["RunRow"],
        label: "Callable[[RunRow], str]" = lambda run: run.state.value,
    ) -> None:
        self._label = label
        self._children: dict[str, list[RunRow]] = {}
        for run in runs:
            if run.parent_id is not None:
                self._children.setdefault(run.parent_id, []).append(run)

    def children(self, run_id: str) -> Sequence["RunRow"]:
        """The runs that a run's function made."""
        return self._children.get(run_id, ())

    def lines(self, root: "RunRow", screen: Screen, *, everything: bool) -> list[TreeLine]:
        """``root`` and the tree below it; large groups are summed up unless ``everything``."""
        if everything or self._count_below(root) < _FEW_LINES:
            return list(self._lines(root, screen, most=None, deepest=None))
        lines: list[TreeLine] = []
        for most, deepest in _LIMITS:
            lines = list(self._lines(root, screen, most=most, deepest=deepest))
            if len(lines) <= _FEW_LINES:
                break
        return lines

    def _lines(
        self, root: "RunRow", screen: Screen, *, most: int | None, deepest: int | None
    ) -> Iterator[TreeLine]:
        branch, corner, line = ("├─ ", "└─ ", "│  ") if screen.unicode else ("|- ", "`- ", "|  ")
        # What is still to be drawn: the last is the next. (what, indent, whether the last child)
        pending: list[tuple[RunRow | str, str | None, bool, int]] = [(root, None, True, 0)]
        while pending:
            item, indent, is_last, depth = pending.pop()
            stem = "" if indent is None else indent + (corner if is_last else branch)
            if isinstance(item, str):
                yield TreeLine(stem, None, item)
                continue
            yield TreeLine(stem, item)
            below = "" if indent is None else indent + ("   " if is_last else line)
            if depth > _DEEPEST_INDENT:
                below = indent or ""
            items = self._shown_children(item, most, too_deep=depth == deepest)
            pending.extend(
                (child, below, place == len(items) - 1, depth + 1)
                for place, child in reversed(list(enumerate(items)))
            )

    def _shown_children(
        self, run: "RunRow", most: int | None, *, too_deep: bool
    ) -> "list[RunRow | str]":
        """Children of a run; sentences in place of those that are summed up."""
        children = self.children(run.id)
        if too_deep and children:
            below = sum(self._count_below(child) + 1 for child in children)
            return [f"... {format_count(below, 'more run')} nested in it"]
        if most is None or len(children) <= most + _SLACK:
            return list(children)
        sizes = Counter((child.function_path, self._label(child)) for child in children)
        shown: Counter[object] = Counter()
        items: list[RunRow | str] = []
        for child in children:
            group = (child.function_path, self._label(child))
            shown[group] += 1
            if sizes[group] <= most + _SLACK or shown[group] <= most:
                items.append(child)
            elif shown[group] == most + 1:
                function = child.function_path.rpartition(".")[2]
                items.append(f"... {sizes[group] - most:,} more {function}: {group[1]}")
        return items

    def _count_below(self, run: "RunRow") -> int:
        count, pending = 0, [run.id]
        while pending:
            children = self._children.get(pending.pop(), ())
            count += len(children)
            pending.extend(child.id for child in children)
        return count
