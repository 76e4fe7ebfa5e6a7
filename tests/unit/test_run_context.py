"""Which call is executing: in the function, its threads, its child processes; and outside."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import List

import pytest

import sematic
from sematic import NotInSematicFuncError, SematicContext, SilentRunner, context
from sematic.run_context import executing, executing_call, likely_call, note_created

FIRST, SECOND = SematicContext("first", "root"), SematicContext("second", "root")


@sematic.func
def ids() -> List[str]:
    return [context().run_id, context().root_id]


@sematic.func
def number() -> int:
    return 1


def in_thread(function):
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()


def test_outside_there_is_no_context() -> None:
    assert executing_call() is likely_call() is None
    with pytest.raises(NotInSematicFuncError, match=r"context\(\) must be called from within"):
        context()
    with pytest.raises(RuntimeError):
        context()


def test_the_run_id_is_the_futures() -> None:
    future = ids()
    assert SilentRunner().run(future) == [future.id, future.id]


def test_nested_runs_know_their_root() -> None:
    made: List[str] = []

    @sematic.func
    def pipeline() -> List[str]:
        nested = ids()
        made.append(nested.id)
        return nested

    root = pipeline()
    assert SilentRunner().run(root) == [made[0], root.id]


def test_the_run_id_stays_the_same_across_attempts() -> None:
    seen: List[str] = []

    @sematic.func(retry=sematic.RetrySettings(exceptions=(ValueError,), retries=2))
    def flaky() -> int:
        seen.append(context().run_id)
        if len(seen) < 3:
            raise ValueError
        return 1

    root = flaky()
    SilentRunner().run(root)
    assert seen == [root.id] * 3


def test_a_context_is_frozen() -> None:
    with pytest.raises(AttributeError):
        FIRST.run_id = "other"  # type: ignore[misc]


def test_the_context_ends_with_the_call() -> None:
    with executing(FIRST):
        assert context() is FIRST
        with executing(SECOND):
            assert context() is SECOND
        assert context() is FIRST
    with pytest.raises(NotInSematicFuncError):
        context()


def test_the_context_ends_with_a_call_that_raises() -> None:
    with pytest.raises(ValueError, match="broken"), executing(FIRST):
        raise ValueError("broken")
    assert executing_call() is None
    assert "SEMATIC_RUN_ID" not in os.environ


# --- threads


def test_threads_of_the_function_have_its_context() -> None:
    with executing(FIRST):
        assert in_thread(context) is FIRST
    with pytest.raises(NotInSematicFuncError):
        in_thread(context)


def test_a_thread_that_executes_has_a_context_of_its_own() -> None:
    def other() -> SematicContext:
        with executing(SECOND):
            return context()

    with executing(FIRST):
        assert in_thread(other) is SECOND
        assert context() is FIRST


def test_in_doubt_there_is_no_context() -> None:
    """Two calls execute; a thread that belongs to neither asks."""
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with executing(SECOND):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(60)
    try:
        with executing(FIRST):
            with pytest.raises(NotInSematicFuncError):
                in_thread(context)
            assert context() is FIRST
    finally:
        leave.set()
        thread.join()


def test_coroutines_have_the_context() -> None:
    async def ask() -> List[SematicContext]:
        return [context(), await asyncio.to_thread(context)]

    with executing(FIRST):
        assert asyncio.run(ask()) == [FIRST, FIRST]


# --- futures


def test_futures_belong_to_the_call_that_makes_them() -> None:
    with executing(FIRST) as outer:
        first = number()
        with executing(SECOND) as inner:
            second = number()
    number()
    assert [future.id for future in outer.created_futures] == [first.id]
    assert [future.id for future in inner.created_futures] == [second.id]


def test_futures_of_other_threads_may_belong_to_it() -> None:
    with executing(FIRST) as call:
        stray = in_thread(number)
    assert call.created_futures == []
    assert [future.id for future in call.stray_futures] == [stray.id]


def test_what_runs_in_another_thread_is_nobody_elses_business() -> None:
    with executing(FIRST) as call:
        in_thread(lambda: SilentRunner().run(number()))
        made = number()
    note_created(made)
    assert [future.id for future in call.created_futures] == [made.id]


def test_two_pipelines_in_two_threads() -> None:
    barrier = threading.Barrier(2, timeout=60)

    @sematic.func
    def meet(x: int) -> int:
        barrier.wait()
        return x

    @sematic.func
    def pipeline(x: int) -> List[int]:
        barrier.wait()
        return [meet(x), number()]

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda x: SilentRunner().run(pipeline(x)), [1, 2]))
    assert results == [[1, 1], [2, 1]]


def test_a_pipeline_can_be_built_while_another_one_runs() -> None:
    started, finish = threading.Event(), threading.Event()

    @sematic.func
    def slow() -> int:
        started.set()
        assert finish.wait(60)
        return 2

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(SilentRunner().run, slow())
        assert started.wait(60)
        future = number()
        assert SilentRunner().run(future) == 1
        finish.set()
        assert running.result() == 2


# --- child processes

ASK = "import sematic; print(sematic.context().run_id, sematic.context().root_id)"


def test_child_processes_have_the_context() -> None:
    with executing(FIRST):
        shown = subprocess.run([sys.executable, "-c", ASK], stdout=subprocess.PIPE, check=True)
    assert shown.stdout.split() == [b"first", b"root"]


def test_child_processes_started_outside_have_none() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], stderr=subprocess.PIPE, check=False)
    assert b"NotInSematicFuncError" in done.stderr


def ask(queue) -> None:
    queue.put(context().run_id)


def test_forked_children_have_the_context() -> None:
    forks = multiprocessing.get_context("fork")
    queue = forks.SimpleQueue()
    with executing(FIRST):
        child = forks.Process(target=ask, args=(queue,))
        child.start()
        child.join(60)
    assert queue.get() == "first"


def test_the_environment_is_as_it_was_afterwards(monkeypatch) -> None:
    before = dict(os.environ)
    with executing(FIRST):
        assert os.environ["SEMATIC_RUN_ID"] == "first"
        with executing(SECOND):
            assert "SEMATIC_RUN_ID" not in os.environ
        assert os.environ["SEMATIC_RUN_ID"] == "first"
    assert dict(os.environ) == before


def test_a_leftover_in_the_environment_is_no_context(monkeypatch) -> None:
    """The process that executed a call does not take its own variables for those of a parent."""
    with executing(FIRST):
        pass
    monkeypatch.setenv("SEMATIC_RUN_ID", "x")
    monkeypatch.setenv("SEMATIC_ROOT_ID", "y")
    with pytest.raises(NotInSematicFuncError):
        context()
