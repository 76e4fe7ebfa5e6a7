"""Which runs a rerun executes again, and which it takes over."""

from collections import Counter
from dataclasses import replace

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


def _texts(x: str) -> int:
    return len(x)


def _fractions(x: float) -> int:
    return round(x * 2)


def test_arguments_that_do_not_fit_any_more_are_refused_before_anything_executes(monkeypatch):
    future = pipeline(1)
    with pytest.raises(PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    _become(monkeypatch, _texts)
    for first in (run for run in open_record().runs(future.id) if run.name == "leaf"):
        with pytest.raises(InvalidOptionError, match="Invalid input type for argument 'x'"):
            _rerun(first.id, pipeline(1))
    assert not executed


def test_an_output_that_is_still_to_come_is_compared_by_its_type(monkeypatch):
    """bad is given what leaf returns, and leaf executes again."""
    future = pipeline(1)
    with pytest.raises(PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    runs = open_record().runs(future.id)
    first = next(run for run in runs if run.name == "leaf" and run.parent_id == future.id)
    _become(monkeypatch, _texts, bad)
    with pytest.raises(InvalidOptionError, match=r"arguments of .*\.bad have changed.*cannot cast"):
        _rerun(first.id, pipeline(1))


def test_arguments_are_converted_to_what_the_function_takes_now(monkeypatch):
    future = pipeline(1)
    with pytest.raises(PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    run = next(run for run in open_record().runs(future.id) if run.name == "bad")
    _become(monkeypatch, _fractions, bad)
    assert _rerun(run.id, pipeline(1)) == 3 + 4


# --- options


def test_options_are_those_of_now_but_for_what_set_gave(monkeypatch):
    @sematic.func
    def parent() -> list[int]:
        return [leaf(1).set(name="named", tags=["kept"], retry=None), leaf(2)]

    monkeypatch.setitem(globals(), "parent", parent)
    parent.__qualname__ = "parent"
    sematic.LocalRunner(progress="off").run(future := parent())
    retry = sematic.RetrySettings(exceptions=(ValueError,), retries=1)
    monkeypatch.setattr(leaf, "options", replace(leaf.options, retry=retry, cache_version="2"))
    runs = open_record().runs(future.id)
    for run in runs[1:]:
        sematic.LocalRunner(progress="off", rerun_from=run.id).run(again := parent())
        options = next(
            r.options
            for r in open_record().runs(again.id)
            if r.ordinal == run.ordinal and r.original_run_id is None
        )
        assert options["cache_version"] == "2"
        assert options["retry"]["retries"] == 1
        assert (options["name"], options.get("tags")) == (run.name, run.options.get("tags"))
    assert {run.name for run in runs} == {"parent", "named", "leaf"}


# --- whatever became of the pipeline run, and of the run


def _find(root_id: str, name: str, *, parent: str | None = None) -> str:
    runs = open_record().runs(root_id)
    names = {run.id: run.name for run in runs}
    return next(
        run.id
        for run in runs
        if run.name == name and parent in (None, names.get(run.parent_id or ""))
    )


def _succeed(**options: object) -> str:
    broken["bad"] = False
    future = pipeline(1)
    sematic.LocalRunner(progress="off", **options).run(future)
    return future.id


def test_of_a_pipeline_run_that_succeeded():
    root_id = _succeed()
    assert _rerun(_find(root_id, "bad"), pipeline(1)) == 3 + 20
    assert executed == {("bad", 2): 1, ("join", 3, 20): 1}


def test_of_a_pipeline_run_that_is_itself_a_rerun():
    """What it took over is made of calls too, from which it can be begun again."""
    first = _succeed()
    future = pipeline(1)
    sematic.LocalRunner(progress="off", rerun_from=_find(first, "join")).run(future)
    nested = _find(future.id, "leaf", parent="branch")
    assert _rerun(nested, pipeline(1)) == 3 + 20
    assert executed == {("leaf", 1): 1, ("leaf", 2): 1, ("join", 3, 20): 1}


@sematic.func(cache=True)
def remembered(x: int) -> int:
    executed["remembered", x] += 1
    return x


@sematic.func
def remembering(x: int) -> int:
    return leaf(remembered(x))


def test_the_run_that_is_named_executes_though_the_cache_has_its_output():
    for _ in range(2):
        sematic.LocalRunner("names", progress="off").run(future := remembering(1))
    assert executed["remembered", 1] == 1
    cached = _find(future.id, "remembered")
    assert open_record().run(cached).original_run_id
    sematic.LocalRunner("names", rerun_from=cached, progress="off").run(remembering(1))
    assert executed["remembered", 1] == 2
    sematic.LocalRunner("names", rerun_from=future.id, progress="off").run(remembering(1))
    assert executed["remembered", 1] == 2, "others may come from the cache"


def test_so_does_a_root_that_is_named():
    for _ in range(2):
        sematic.LocalRunner("names", progress="off").run(future := remembered(1))
    again = remembered(1)
    sematic.LocalRunner("names", rerun_from=future.id, progress="off").run(again)
    assert executed["remembered", 1] == 2
    assert open_record().run(again.id).original_run_id is None


def _become(monkeypatch, now, function=leaf) -> None:
    """Let a function be what it is after its module was edited."""
    edited = sematic.func(now)
    monkeypatch.delitem(vars(function), "input_descriptors", raising=False)  # cached
    for name, value in vars(edited).items():
        if name not in ("__name__", "__qualname__", "__module__", "options"):
            monkeypatch.setitem(vars(function), name, value)
