"""What functions in workers print is kept as their log."""

import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import sematic
from tests.disks import SmallDisk
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result

pytestmark = pytest.mark.ray

Run = Callable[..., Result]


def spoken(word: str) -> list[str]:
    return [
        f"{word} by print",
        f"{word} to stderr",
        f"{word} by logging",
        f"{word} by os.write",
        f"{word} by a child",
    ]


def test_everything_that_is_printed_is_in_the_log(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run(functions.speak("hello", 0.0))
    log = result.log(result.run("speak"))
    assert log is not None
    assert sorted(log.splitlines()) == sorted(spoken("hello"))
    assert "hello" not in capfd.readouterr().out


@sematic.func
def speakers(words: list[str]) -> list[int]:
    return [functions.speak(word, 0.0) for word in words]


@sematic.func
def nest() -> str:
    return functions.speak_and_nest(functions.loud("hello").word)


def test_what_operators_print_in_the_driver_is_kept_beside_it(run: Run) -> None:
    result = run(nest())
    assert result.value == "hello"
    nested = result.run("speak_and_nest")
    before = result.log_files()[0].parent / f"{nested.id}-0.log"
    assert before.read_text() == "by a property\n"
    assert result.log(nested) == "by the function\nby a property\n"


def test_logs_of_calls_do_not_mix(run: Run) -> None:
    words = [f"word{i}" for i in range(10)]
    result = run(speakers(words))
    for word, spoke in zip(words, result.runs("speak"), strict=True):
        log = result.log(spoke)
        assert log is not None
        assert sorted(log.splitlines()) == sorted(spoken(word))


def test_no_log_without_output(run: Run) -> None:
    result = run(functions.squares(20))
    assert result.error is None
    assert result.log_files() == []


def test_a_child_that_is_left_behind_does_not_speak_in_the_next_log(run: Run) -> None:
    result = run(functions.leave_child("from the child", 0.3))
    time.sleep(0.5)
    assert result.log(result.run("leave_child")) is None

    @sematic.func
    def pipeline(word: str) -> list[int]:
        return [functions.leave_child(word, 0.3), functions.leave_child(word, 0.3)]

    first = run(pipeline("from the child"))
    second = run(speakers(["a", "b", "c", "d"]))
    time.sleep(0.5)
    for spoke in second.runs("speak"):
        assert "from the child" not in (second.log(spoke) or "")
    assert first.error is None


def test_the_log_can_be_read_while_the_function_runs(run: Run, config_directory: Path) -> None:
    future = functions.speak("early", 5.0)
    thread = threading.Thread(target=run, args=(future,))
    thread.start()
    log = config_directory / "logs" / future.id / f"{future.id}-1.log"
    text = ""
    while thread.is_alive() and "early by print" not in text:
        time.sleep(0.02)
        text = log.read_text() if log.exists() else ""
    was_running = thread.is_alive()
    thread.join()
    assert was_running
    assert "early by print" in text


@sematic.func(standalone=True)
def speak_and_fail() -> int:
    print("before the failure")
    raise ValueError("after the words")


def test_the_log_of_a_call_that_fails(run: Run) -> None:
    result = run(speak_and_fail())
    assert result.log(result.run("speak_and_fail")) == "before the failure\n"


@sematic.func
def much(words: list[str]) -> list[int]:
    return [functions.speak_much(word) for word in words]


def test_output_that_cannot_be_kept_fails_nobody_and_is_told_once(
    run: Run, config_directory: Path, small_disk: SmallDisk
) -> None:
    config_directory.mkdir()
    (config_directory / "logs").symlink_to(small_disk.path)
    small_disk.fill(but=100_000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(much(["one", "three"]))
    assert result.value == [3, 5]
    told = [str(w.message) for w in caught if "cannot be kept" in str(w.message)]
    assert len(told) == 1
    assert "No space left on device" in told[0]
    logs = [result.log(run) or "" for run in result.runs("speak_much")]
    assert any(log.startswith(("oneone", "threethree")) for log in logs)
