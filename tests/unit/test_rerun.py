"""Which runs a rerun executes again, and which it takes over."""

from collections import Counter

import pytest

import sematic
from sematic.client import open_record
from sematic.errors import InvalidOptionError, PipelineRunError

executed: Counter = Counter()
broken = {"bad": True}


@sematic.func
def leaf(x: int) -> int:
    executed["leaf", x] += 1
    return x + 1


@sematic.func
def branch(x: int) -> int:
    executed["branch", x] += 1
    return leaf(leaf(x))


@sematic.func
def bad(x: int) -> int:
    executed["bad", x] += 1
    if broken["bad"]:
        raise ValueError("broken")
    return x * 10


@sematic.func
def join(a: int, b: int) -> int:
    executed["join", a, b] += 1
    return a + b


@sematic.func
def pipeline(x: int) -> int:
    executed["pipeline", x] += 1
    return join(branch(x), bad(leaf(x)))


@pytest.fixture(autouse=True)
def fresh():
    executed.clear()
    broken["bad"] = True


def _fail() -> str:
    with pytest.raises(PipelineRunError) as caught:
        sematic.LocalRunner(progress="off").run(pipeline(1))
    assert caught.value.run_id
    return caught.value.run_id


def _rerun(run_id: str, future: object) -> int:
    broken["bad"] = False
    executed.clear()
    return sematic.LocalRunner(rerun_from=run_id, progress="off").run(future)


def test_what_had_succeeded_is_taken_over():
    assert _rerun(_fail(), pipeline(1)) == 3 + 20
    assert executed["pipeline", 1] == 0, "an ancestor keeps what it had returned"
    assert executed["bad", 2] == 1
    assert executed["join", 3, 20] == 1


def test_an_unfinished_branch_executes_once():
    """It was cancelled when another one failed: it begins anew, and its old children are gone."""
    _rerun(_fail(), pipeline(1))
    assert all(times == 1 for times in executed.values()), executed


def test_from_the_root_everything_executes_with_the_new_arguments():
    future = pipeline(1)
    with pytest.raises(PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    assert _rerun(future.id, pipeline(2)) == 4 + 30
    assert executed["pipeline", 2] == 1


@pytest.mark.parametrize(
    ("future", "message"),
    [
        (lambda: pipeline(2), "Argument 'x' of .* differs from the recorded one"),
        (lambda: leaf(1), "was given a future of"),
    ],
)
def test_what_does_not_match_is_refused(future, message):
    run_id = _fail()
    with pytest.raises(InvalidOptionError, match=message):
        _rerun(run_id, future())


def test_an_unknown_run():
    with pytest.raises(ValueError, match="run cannot be found"):
        _rerun("nope", pipeline(1))


def _changed_leaf(x: int, factor: int) -> int:
    return x * factor


def _renamed_leaf(y: int) -> int:
    return y


def _extended_leaf(x: int, factor: int = 3) -> int:
    return x * factor


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (_changed_leaf, "'factor' is new"),
        (_renamed_leaf, "'x' is gone, 'y' is new"),
    ],
)
def test_arguments_that_a_function_does_not_take_any_more_are_refused(monkeypatch, now, message):
    """Its recorded call cannot be executed; who calls it calls it as it is now."""
    with pytest.raises(PipelineRunError):
        sematic.LocalRunner(progress="off").run(future := pipeline(1))
    runs = open_record().runs(future.id)
    first = next(run for run in runs if run.name == "leaf")
    _become(monkeypatch, now)
    with pytest.raises(InvalidOptionError) as caught:
        _rerun(first.id, pipeline(1))
    assert f"arguments of {leaf.path} have changed since it was recorded: {message}." in str(
        caught.value
    )
    parent = next(run for run in runs if run.id == first.parent_id)
    assert f"rerun_from='{parent.id}' ({parent.function_path})" in str(caught.value)


def test_a_new_argument_with_a_default_is_no_obstacle(monkeypatch):
    with pytest.raises(PipelineRunError):
        sematic.LocalRunner(progress="off").run(future := pipeline(1))
    first = next(run for run in open_record().runs(future.id) if run.name == "leaf")
    _become(monkeypatch, _extended_leaf)
    assert _rerun(first.id, pipeline(1)) > 0


def _become(monkeypatch, now) -> None:
    """Let ``leaf`` be what it is after its module was edited."""
    edited = sematic.func(now)
    monkeypatch.delitem(vars(leaf), "input_descriptors", raising=False)  # cached
    for name, value in vars(edited).items():
        if name not in ("__name__", "__qualname__", "__module__", "options"):
            monkeypatch.setitem(vars(leaf), name, value)
