"""``sematic why``: the cache, retries, ends, and what is waited for."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import Result

import sematic
from sematic.calls import OutputOf
from sematic.client import cancel_run, open_record
from sematic.events import DriverChanged, LookedUp, OutputsLookedUp, PipelineStarted
from sematic.tracking.queries import open_queries
from tests.builders import ROOT, artifact, call, expanded, failed, list_of, lost, succeeded
from tests.driver import Driver
from tests.recorded import RecordedPipeline, execute
from tests.terminal import Terminal
from tests.unit.cli import pipelines

Cli = Callable[..., Result]


@sematic.func(cache=True)
def square(x: int, y: list[int]) -> int:
    return x * x


@sematic.func(cache=True, cache_version=2)
def versioned(x: int) -> int:
    return x


@sematic.func
def squares(x: int, y: list[int], twice: bool) -> list[int]:
    return [square(x, y) for _ in range(1 + twice)]


@sematic.func
def wrapped(x: int) -> int:
    return versioned(x)


_attempts: Counter[str] = Counter()


@sematic.func(retry=sematic.RetrySettings((KeyError,), retries=1))
def lucky(fails: int, kind: str) -> int:
    _attempts[sematic.context().run_id] += 1
    if kind == "key" and _attempts[sematic.context().run_id] <= fails:
        raise KeyError("no luck")
    if kind == "value":
        raise ValueError("wrong")
    return 1


@sematic.func(cache=True)
def touchy(x: int) -> int:
    raise ValueError("no luck")


@sematic.func
def alike(x: int) -> list[int]:
    return [touchy(x) for _ in range(3)]


@sematic.func
def beyond(xs: list[int]) -> int:
    return versioned(given(xs)[1])


@sematic.func
def given(xs: list[int]) -> list[int]:
    return xs


@sematic.func(cache=True)
def kept(x: int) -> int:
    return versioned(x)


@sematic.func
def wordy(sentence: str) -> int:
    raise ValueError(sentence)


@sematic.func(cache=True)
def long(x: int) -> list[int]:
    return list(range(100_000))


class Opaque:
    def __init__(self, hidden: int) -> None:
        self.hidden = hidden
        self.words = {"a", "b"}

    def __repr__(self) -> str:
        return "Opaque()"


@sematic.func(cache=True)
def seen(x: Opaque) -> int:
    return 1


def run(future: sematic.Future, namespace: str | None = "one") -> str:
    with suppress(sematic.PipelineRunError):
        sematic.LocalRunner(namespace, progress="off").run(future)
    return future.id


def nested(root_id: str, name: str = "square", place: int = 0) -> str:
    found = [run.id for run in open_record().runs(root_id) if run.name == name]
    return found[place]


def move(function: sematic.Function, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a function be in another file than it is."""
    monkeypatch.setitem(vars(function), "_place_of_file", place.ljust(20, "0"))


class TestCache:
    @pytest.fixture
    def why(self, sematic_cli: Cli) -> Callable[[str], list[str]]:
        def ask(run_id: str) -> list[str]:
            result = sematic_cli("why", run_id)
            assert result.exit_code == 0, result.output
            # "Now" lasts for five seconds, which a busy machine may take for a few pipeline runs.
            text = re.sub(r"\b\d+ (second|minute)s? ago\b", "just now", result.stdout)
            return [" ".join(line.split()) for line in text.splitlines()[2:]]

        return ask

    def test_served(self, why) -> None:
        first, second = run(squares(2, [1], True)), run(squares(2, [1], False))
        original = nested(first)
        assert why(nested(second)) == [
            f"cache served: square {original} of pipeline run {first} computed it just now",
            "key same function, inputs, version and namespace ('one')",
        ]
        expected = f"cache served: square {original} of this pipeline run is the same call"
        assert why(nested(first, place=1)) == [expected]

    def test_served_though_the_code_has_changed(self, why, monkeypatch: pytest.MonkeyPatch) -> None:
        run(squares(2, [1], False))
        monkeypatch.setitem(vars(square), "source_hash", "0" * 40)
        assert why(nested(run(squares(2, [1], False))))[-1].startswith(
            "code has changed since then. It is not part of the key: change cache_version"
        )

    def test_the_first_one(self, why) -> None:
        expected = "cache nothing found: no earlier call of this function asked the cache"
        assert why(nested(run(squares(2, [1], False)))) == [expected]

    def test_what_differs(self, why) -> None:
        """The closest is neither the latest nor the one with another namespace and an input."""
        run(squares(5, [1, 2], False), "two")
        close = run(squares(3, [1, 2], False))
        run(squares(2, [7], False), "two")
        lines = why(nested(run(squares(2, [1, 2], False))))
        assert lines == [
            "cache nothing found: no earlier call has the same key",
            f"closest square {nested(close)} of pipeline run {close}, just now",
            "",
            "DIFFERS NOW THEN",
            "x 2 3",
        ]

    def test_pickles_that_look_the_same(self, why) -> None:
        """They may be of equal values, of which each process makes another pickle."""
        root_ids = [run(seen(Opaque(hidden))) for hidden in (1, 2)]
        then, now = (open_record().inputs(root_id)[0].artifact for root_id in root_ids)
        assert then is not None
        assert now is not None
        assert why(root_ids[1])[-1] == (
            f"x Opaque() {now.id} looks the same, in another pickle {then.id}: those of "
            "equal values may differ from process to process"
        )

    def test_version_and_namespace(self, why, monkeypatch: pytest.MonkeyPatch) -> None:
        run(wrapped(1), "two")
        monkeypatch.setattr(versioned, "options", sematic.func(cache=True)(versioned.func).options)
        assert why(nested(run(wrapped(1)), "versioned"))[-2:] == [
            "cache_version (none) 2",
            "cache_namespace 'one' 'two'",
        ]

    @pytest.mark.parametrize(
        ("now", "then", "expected"),
        [
            ("g1", "g2", ["file another one of this name"]),
            ("l1", "l2", ["file another one of this name"]),
            ("g1", "l1", ["file tracked by git not tracked by git"]),
            ("n1", "n2", ["code another one (of a notebook or a console)"]),
            ("v1", "v2", ["function another one of this name, or with other variables"]),
            ("v1", "g1", ["function told by its variables too told by its name"]),
            ("l1", "p1", ["file not tracked by git of an installed package"]),
            ("g1", "a1", ["key of this version of an older one, which made others"]),
        ],
    )
    def test_another_file(
        self, why, now: str, then: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for place in (then, now):
            move(square, place, monkeypatch)
            last = run(squares(2, [1], False))
        assert why(nested(last))[3:] == ["DIFFERS NOW THEN", *expected]

    def test_another_script(self, why, monkeypatch: pytest.MonkeyPatch) -> None:
        for place, directory in (("l1", "one"), ("l2", "other")):
            move(square, place, monkeypatch)
            monkeypatch.setattr("__main__.__file__", f"/{directory}/train.py", raising=False)
            last = run(squares(2, [1], False))
        assert why(nested(last))[-1] == "script /other/train.py /one/train.py"

    def test_a_call_of_the_same_file_is_closer(self, why, monkeypatch: pytest.MonkeyPatch) -> None:
        move(square, "l1", monkeypatch)
        run(squares(2, [1, 2], False))
        move(square, "l2", monkeypatch)
        close = run(squares(2, [1], False))
        assert f"closest square {nested(close)}" in why(nested(run(squares(2, [3], False))))[1]

    def test_the_same_call_failed(self, why) -> None:
        first, second = run(touchy(1), "n"), run(touchy(1), "n")
        expected = f"cache nothing found: touchy {first} of pipeline run {first} is the same call,"
        assert f"{expected} but FAILED" in why(second)

    def test_the_same_call_lost_its_value(self, why, config_directory: Path) -> None:
        first = run(long(1), "n")
        output_id = open_record().run(first).output_id
        assert output_id
        (config_directory / "artifacts" / output_id[:2] / output_id[2:]).unlink()
        with pytest.warns(UserWarning, match="is not in the store"):
            second = run(long(1), "n")
        expected = f"cache not used: long {first} of pipeline run {first} is the same call,"
        reason = "its value was damaged or gone, or could not be read by the code or by the version"
        assert f"{expected} but {reason} of Python" in why(second)

    def test_not_asked(self, why) -> None:
        without = run(squares(2, [1], False), None)
        assert why(nested(without)) == ["cache not asked: the pipeline run has no cache_namespace"]
        assert why(run(versioned(1).set(cache=False))) == ["cache not asked: it has no cache=True"]
        cached = nested(run(squares(2, [1], False)))
        future = squares(2, [1], False)
        sematic.LocalRunner("one", rerun_from=cached, progress="off").run(future)
        assert why(nested(future.id)) == [
            "cache not asked: the rerun starts here, and was to execute it"
        ]

    def test_never_asked_for_its_inputs_were_never_known(self, why) -> None:
        failed = nested(run(beyond([1])), "versioned")
        assert why(failed)[0] == "cache not asked: its inputs were never known"

    def test_what_a_rerun_starts_below(self, why) -> None:
        future = kept(1)
        sematic.LocalRunner("one", progress="off").run(future)
        below, future = nested(future.id, "versioned"), kept(1)
        sematic.LocalRunner("one", rerun_from=below, progress="off").run(future)
        expected = "cache not asked: the rerun starts below it, and has made its output anew"
        assert why(future.id) == [expected]
        assert why(nested(future.id, "versioned")) == [
            "cache not asked: the rerun starts here, and was to execute it"
        ]

    def test_calls_that_waited_for_a_failed_one(self, why) -> None:
        """None of them is an earlier call of which it could have had an output."""
        root_id = run(alike(3))
        found = {r.state.value: r.id for r in open_record().runs(root_id) if r.parent_id}
        assert why(found["CANCELED"])[0] == "cache nothing found before it was cancelled"
        none = "cache nothing found: no earlier call of this function asked the cache"
        assert why(found["FAILED"])[0] == none

    def test_calls_that_it_has_served(self, why) -> None:
        none = "cache nothing found: no earlier call of this function asked the cache"
        assert why(nested(run(squares(2, [1], True)))) == [none]

    def test_an_output_that_never_came_to_be_was_to_be_of_another_type(
        self, why, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(touchy(1))
        monkeypatch.setitem(vars(touchy), "output_descriptor", "float")
        assert why(run(touchy(1)))[-2:] == ["DIFFERS NOW THEN", "output type another one"]

    def test_taken_over_by_a_rerun(self, why, failed_id: str) -> None:
        future = pipelines.broken()
        failing = nested(failed_id, "divide")
        with pytest.raises(sematic.PipelineRunError):
            sematic.LocalRunner(rerun_from=failing, progress="off").run(future)
        assert why(nested(future.id, "add")) == [
            f"reused the rerun took over what add {nested(failed_id, 'add')} computed just now"
        ]

    def test_taken_over_from_a_run_that_was_deleted(
        self, why, sematic_cli: Cli, failed_id: str
    ) -> None:
        future, original = pipelines.broken(), nested(failed_id, "add")
        with pytest.raises(sematic.PipelineRunError):
            sematic.LocalRunner(rerun_from=nested(failed_id, "divide"), progress="off").run(future)
        assert sematic_cli("delete", failed_id, "--yes").exit_code == 0
        assert why(nested(future.id, "add")) == [
            f"reused the rerun took over what run {original}, deleted since, had computed"
        ]


class TestEnds:
    def test_retried(self, sematic_cli: Cli) -> None:
        output = sematic_cli("why", run(lucky(1, "key"))).stdout
        assert "attempt 1 took " in output
        assert "ended in KeyError: 'no luck'" in output
        assert "  retry    it is retried once at most, for KeyError; this is attempt 2" in output

    @pytest.mark.parametrize(
        ("future", "reason"),
        [
            (lucky(5, "key"), "not retried any more: it is retried once at most, for KeyError"),
            (lucky(5, "value"), "not retried now: it is retried once at most, for KeyError"),
            (pipelines.divide(1, 0), "not retried: the function has no retry settings"),
        ],
    )
    def test_not_retried(self, sematic_cli: Cli, future: sematic.Future, reason: str) -> None:
        assert f"  {reason}\n" in sematic_cli("why", run(future)).stdout

    def test_in_a_pipe_errors_are_whole(self, sematic_cli: Cli) -> None:
        """The longest sentence of this package, that of a full disk, names a path too."""
        sentence = " ".join(str(number) for number in range(300))
        root_id = run(wordy(sentence))
        assert f"failed  ValueError: {sentence}\n" in sematic_cli("why", root_id).stdout
        assert f"failed: ValueError: {sentence} (sem" in sematic_cli("show", root_id).stdout

    def test_failed_below(self, sematic_cli: Cli, failed_id: str) -> None:
        output = sematic_cli("why", failed_id).stdout
        failing = nested(failed_id, "divide")
        assert output.startswith("✗ broken  NESTED_FAILED\n")
        expected = f"divide {failing}, nested in it, failed: ZeroDivisionError: division by zero"
        assert expected in output
        assert f"sematic why {failing[:8]}" in output

    def test_cancelled_by_a_failure(self, sematic_cli: Cli) -> None:
        root_id = run(training())
        output = sematic_cli("why", nested(root_id, "add")).stdout
        failing = nested(root_id, "divide")
        assert f"divide {failing} failed: ZeroDivisionError: division by zero" in output
        assert "it had not started" in output

    def test_cancelled_by_somebody(self, sematic_cli: Cli, driver: Driver) -> None:
        cancel_run(driver.run_id, reason="Wrong data.", wait=True)
        output = sematic_cli("why", driver.nested_id).stdout
        assert "  cancelled  Wrong data.\n" in output
        assert "it was executing" in output

    def test_lost(self, sematic_cli: Cli, lost_id: str) -> None:
        output = sematic_cli("why", nested(lost_id, "die")).stdout
        assert ", which drove it, is gone" in output
        assert f"To go on: sematic resume {lost_id[:8]}" in output

    def test_no_such_run(self, sematic_cli: Cli) -> None:
        assert sematic_cli("why", "nope").exit_code == 1


@sematic.func
def training() -> list[float]:
    failing = pipelines.divide(1, 0)
    return [failing, pipelines.add(1, 2)]


class TestWaiting:
    """A record without a runner, so that the moment stays."""

    @pytest.fixture
    def pipeline(self, config_directory: Path) -> Iterator[RecordedPipeline]:
        config_directory.mkdir()
        made = RecordedPipeline(f"sqlite:///{config_directory}/sematic.db")
        yield made
        made.close()

    def facts(self, cli: Cli, run_id: str) -> str:
        result = cli("why", run_id)
        assert result.exit_code == 0, result.output
        return "\n".join(" ".join(line.split()) for line in result.stdout.splitlines())

    def test_for_an_input(self, sematic_cli: Cli, pipeline: RecordedPipeline) -> None:
        calls = [call("a1"), call("b2", needs=["a1"])]
        pipeline.record(PipelineStarted(1.0, call(ROOT)), expanded(ROOT, calls, OutputOf("b2")))
        assert "waits for x0: a1 a1 (SCHEDULED for" in self.facts(sematic_cli, "b2")
        assert "executes for" in self.facts(sematic_cli, "a1")
        root = self.facts(sematic_cli, "a1")
        assert "of pipeline root (RUNNING)" in root

    def test_for_its_turn_and_for_a_slot(
        self, sematic_cli: Cli, pipeline: RecordedPipeline
    ) -> None:
        calls = [call("a1"), call("a2"), *(call(i, standalone=True) for i in ("b1", "b2"))]
        started = PipelineStarted(1.0, call(ROOT), max_parallelism=1)
        output = list_of("a1", "a2", "b1", "b2")
        pipeline.record(started, expanded(ROOT, calls, output))
        turn = self.facts(sematic_cli, "a2")
        assert (
            "waits for its turn: inline functions execute one at a time\nnow a1 a1 (SCHED" in turn
        )
        slot = self.facts(sematic_cli, "b2")
        assert "waits for one of 1 slots (max_parallelism): all are taken\nnow b1 b1 (SCH" in slot
        assert "or waits for a worker of Ray's" in self.facts(sematic_cli, "b1")

    def test_for_nested_calls(self, sematic_cli: Cli, pipeline: RecordedPipeline) -> None:
        pipeline.record(
            PipelineStarted(1.0, call(ROOT)), expanded(ROOT, [call("a1")], OutputOf("a1"))
        )
        inner = [call("b1", parent="a1"), call("b2", parent="a1")]
        pipeline.record(expanded("a1", inner, list_of("b1", "b2")), succeeded("b1"))
        facts = self.facts(sematic_cli, "a1")
        assert "waits for 1 call that its function made\nb2 b2 (SCHEDULED for" in facts

    def test_for_a_pause(self, sematic_cli: Cli, pipeline: RecordedPipeline) -> None:
        retry = sematic.RetrySettings((Exception,), retries=2, backoff_seconds=600, jitter=0)
        calls = [call("a1", retry=retry)]
        pipeline.record(PipelineStarted(1.0, call(ROOT)), expanded(ROOT, calls, OutputOf("a1")))
        pipeline.record(failed("a1", at=time.time()))
        facts = self.facts(sematic_cli, "a1")
        assert "waits for the pause before its next attempt: 9 min 5" in facts
        assert "attempt 1 took 1.0 s and ended in ValueError: broken" in facts

    def test_for_another_attempt_than_one_that_was_lost(
        self, sematic_cli: Cli, pipeline: RecordedPipeline
    ) -> None:
        """When it began in its worker, only that knew."""
        retry = sematic.RetrySettings((Exception,), retries=2)
        calls = [call("a1", standalone=True, retry=retry)]
        pipeline.record(PipelineStarted(1.0, call(ROOT)))
        pipeline.record(expanded(ROOT, calls, OutputOf("a1"), at=2.0), lost("a1", at=4.0))
        (attempt,) = open_queries(pipeline.url).attempts("a1")
        assert (attempt.scheduled_at, attempt.started_at, attempt.ended_at) == (2.0, None, 4.0)
        assert "attempt 1 took at most 2.0 s and ended in" in self.facts(sematic_cli, "a1")
        shown = sematic_cli("show", "a1").stdout
        assert re.search(r"\n  1  \S+ \S+ +< 2\.0 s  ", shown), shown
        execute(pipeline.url, "UPDATE attempts SET scheduled_at = NULL")  # by an older version
        assert "attempt 1 ended in" in self.facts(sematic_cli, "a1")
        assert re.search(r"\n  1  \S+ \S+ +\?  ", sematic_cli("show", "a1").stdout)

    def test_for_another_attempt_than_one_whose_driver_is_gone(
        self, sematic_cli: Cli, pipeline: RecordedPipeline
    ) -> None:
        calls = [call("a1")]
        pipeline.record(PipelineStarted(1.0, call(ROOT)), expanded(ROOT, calls, OutputOf("a1")))
        pipeline.record(DriverChanged(5.0, alive_until=4.0))
        told = self.facts(sematic_cli, "a1")
        assert "attempt 1 was lost: the driver that had started it is gone." in told, told

    def test_for_the_same_call(self, sematic_cli: Cli, pipeline: RecordedPipeline) -> None:
        inputs = {"x": artifact(1)}
        calls = [call(id_, cache=True, inputs=inputs, standalone=True) for id_ in ("a1", "a2")]
        started = PipelineStarted(1.0, call(ROOT), cache_namespace="n")
        pipeline.record(started, expanded(ROOT, calls, list_of("a1", "a2")))
        pipeline.record(OutputsLookedUp(1.0, (LookedUp("a1"),)))
        execute(pipeline.url, "UPDATE pipeline_runs SET cache_namespace = 'n'")
        facts = self.facts(sematic_cli, "a2")
        assert "waits for a1 a1 (SCHEDULED for" in facts
        assert "it executes the same call" in facts
        assert "cache being asked, or the same call executes" in facts


def test_at_a_terminal_nothing_is_wider(failed_id: str) -> None:
    """Also what differs only at the end of long values is to be seen."""
    run(squares(1, list(range(40)), False))
    again = nested(run(squares(1, list(range(41)), False)))
    for run_id in (failed_id, nested(failed_id, "divide"), again):
        program = f"from sematic.cli import main; main(['why', {run_id!r}])"
        terminal = Terminal(program, columns=80)
        assert terminal.wait() == 0
    screen = "\n".join(terminal.screen.lines)
    assert "38, 39, 40]  …" in screen
