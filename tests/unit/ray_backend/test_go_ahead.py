"""The word to begin, between real processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sematic.ray_backend import go_ahead
from sematic.ray_backend.calls_ahead import CallsAhead
from sematic.ray_backend.go_ahead import (
    MOST_BYTES,
    MOST_SECONDS_TO_WAIT,
    NOT_BEGUN,
    NOT_HEARD,
    Place,
    Words,
    hear,
)

pytestmark = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="calls go ahead on Linux only"
)

WORKER = """
import sys
from sematic.ray_backend.go_ahead import Place, hear
path, name, number = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
sys.stdout.buffer.write(hear(Place(path, name), int(number)))
"""


@pytest.fixture
def words() -> Iterator[Words]:
    words = Words()
    yield words
    words.close()


def reserved(words: Words) -> int:
    number = words.reserve()
    assert number is not None
    return number


def test_another_process_hears_it(words: Words) -> None:
    number, other = reserved(words), reserved(words)
    command = [sys.executable, "-c", WORKER, *words.place, str(number)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        words.drop(other)
        words.go(number, b"a call" * 1000)
        assert worker.communicate(b"\n", timeout=30)[0] == b"a call" * 1000


def test_who_waits_hears_it_when_it_is_said(words: Words) -> None:
    number = reserved(words)
    timer = threading.Timer(MOST_SECONDS_TO_WAIT / 5, words.go, (number, b"a call"))
    timer.start()
    assert hear(words.place, number) in (b"a call", NOT_BEGUN)  # the machine may be busy
    timer.join()
    assert hear(words.place, number) == b"a call"


def test_the_longest_call(words: Words) -> None:
    first, second = reserved(words), reserved(words)
    for number, byte in ((first, b"a"), (second, b"b")):
        words.go(number, byte * MOST_BYTES)
    assert hear(words.place, first) == b"a" * MOST_BYTES
    assert hear(words.place, second) == b"b" * MOST_BYTES


def test_nobody_waits_for_ever(words: Words) -> None:
    began = time.monotonic()
    assert hear(words.place, reserved(words)) == NOT_BEGUN
    assert time.monotonic() - began >= MOST_SECONDS_TO_WAIT


def test_what_is_dropped_does_not_begin(words: Words) -> None:
    number = reserved(words)
    words.drop(number)
    assert hear(words.place, number) == NOT_BEGUN


def test_a_slot_that_is_used_again_says_nothing(words: Words) -> None:
    first = reserved(words)
    words.go(first, b"a call")
    words.free(first)
    second = reserved(words)
    assert hear(words.place, second) == NOT_BEGUN


def test_who_was_taken_for_dead_does_not_hear_the_word_for_another_one(words: Words) -> None:
    first = reserved(words)
    words.free(first)
    second = reserved(words)
    words.go(second, b"a call")
    assert hear(words.place, first) == NOT_BEGUN
    assert hear(words.place, second) == b"a call"


def test_there_are_not_slots_for_any_number(words: Words) -> None:
    taken = []
    while (number := words.reserve()) is not None:
        taken.append(number)
    assert len(set(taken)) == len(taken) == 64
    words.free(taken[0])
    assert words.reserve() not in (None, *taken)
    assert words.reserve() is None


def test_a_driver_that_is_gone_is_not_heard() -> None:
    words = Words()
    number = reserved(words)
    words.close()
    assert hear(words.place, number) == NOT_HEARD


def test_another_file_at_the_same_place_is_not_listened_to() -> None:
    """The same number in another process, as on another machine: a pipe would hold it up."""
    reading, writing = os.pipe()
    place = Place(f"/proc/{os.getpid()}/fd/{reading}", "sematic-0123456789abcdef")
    try:
        assert hear(place, 0) == NOT_HEARD
    finally:
        os.close(reading)
        os.close(writing)


def test_nothing_is_left_open() -> None:
    before = os.listdir("/proc/self/fd")
    words = Words()
    number = reserved(words)
    words.go(number, b"a call")
    hear(words.place, number)
    words.close()
    assert os.listdir("/proc/self/fd") == before


# --- calls that are ahead


class Ref:
    """A task whose result a test decides."""

    def _on_completed(self, callback: Callable[[Any], None]) -> None:
        self.complete = callback


class Ahead(CallsAhead):
    """With the tasks of its calls, what each of their workers would hear, and the results."""

    def __init__(self) -> None:
        super().__init__()
        self.refs: dict[str, Ref] = {}
        self.numbers: dict[str, int] = {}
        self.results: list[Any] = []

    def go_ahead(self, run_id: str) -> None:
        def submit(number: int) -> Ref:
            self.numbers[run_id], self.refs[run_id] = number, Ref()
            return self.refs[run_id]

        self.submit(run_id, submit)

    def may_begin(self, run_id: str, packed: bytes = b"a call") -> bool:
        return self.begin(run_id, packed, lambda ref: self.results.append)

    def heard(self, run_id: str) -> bytes:
        return hear(self.place, self.numbers[run_id])


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ahead]:
    monkeypatch.setattr(go_ahead, "MOST_SECONDS_TO_WAIT", 0.0)
    ahead = Ahead()
    yield ahead
    ahead.close()


def test_a_call_begins_and_its_result_is_told(ahead: Ahead) -> None:
    ahead.go_ahead("a")
    assert ahead.heard("a") == NOT_BEGUN
    assert ahead.may_begin("a")
    assert ahead.heard("a") == b"a call"
    ahead.refs["a"].complete(b"outcome")
    assert ahead.results == [b"outcome"]
    assert not ahead.may_begin("a")


def test_it_is_registered_before_it_can_begin(ahead: Ahead) -> None:
    heard = []

    def register(ref: object) -> Callable[[Any], None]:
        heard.append(ahead.heard("a"))
        return ahead.results.append

    ahead.go_ahead("a")
    assert ahead.begin("a", b"a call", register)
    assert heard == [NOT_BEGUN]


@pytest.mark.parametrize("why", ["dropped", "too long", "closed", "goes ahead again"])
def test_who_is_not_to_begin_is_told_so_at_once(
    ahead: Ahead, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(go_ahead, "MOST_SECONDS_TO_WAIT", 20.0)
    ahead.go_ahead("a")
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(hear, ahead.place, ahead.numbers["a"])
        match why:
            case "dropped":
                ahead.drop("a")
            case "too long":
                assert not ahead.may_begin("a", b"a" * (MOST_BYTES + 1))
            case "closed":
                ahead.close()
            case _:
                ahead.go_ahead("a")
        assert heard.result(timeout=10) in (NOT_BEGUN, NOT_HEARD)


def test_what_is_over_and_then_dropped_takes_nothing_from_who_has_its_slot(ahead: Ahead) -> None:
    ahead.go_ahead("a")
    ahead.refs["a"].complete(NOT_BEGUN)
    ahead.go_ahead("b")
    assert ahead.may_begin("b")
    ahead.drop("a")
    assert ahead.heard("b") == b"a call"


def test_a_call_that_never_went_ahead(ahead: Ahead) -> None:
    assert not ahead.may_begin("a")
    ahead.drop("a")


def test_a_task_that_has_ended_cannot_begin(ahead: Ahead) -> None:
    ahead.go_ahead("a")
    ahead.refs["a"].complete(NOT_BEGUN)
    assert not ahead.may_begin("a")
    assert ahead.results == []


def test_a_dropped_call_may_go_ahead_again(ahead: Ahead) -> None:
    ahead.go_ahead("a")
    first = ahead.refs["a"]
    ahead.drop("a")
    assert ahead.heard("a") == NOT_BEGUN
    ahead.go_ahead("a")
    first.complete(NOT_BEGUN)  # is not taken for the second one
    assert ahead.may_begin("a")
    assert ahead.heard("a") == b"a call"


def test_a_call_with_large_inputs_does_not_begin_like_this(ahead: Ahead) -> None:
    ahead.go_ahead("a")
    assert not ahead.may_begin("a", b"a" * (MOST_BYTES + 1))
    assert ahead.heard("a") == NOT_BEGUN
    ahead.refs["a"].complete(NOT_BEGUN)
    assert ahead.results == []


def test_a_submission_that_fails_takes_no_slot(ahead: Ahead) -> None:
    def refuse(number: int) -> Any:
        raise RuntimeError("no")

    for _ in range(100):
        with pytest.raises(RuntimeError):
            ahead.submit("a", refuse)
    ahead.go_ahead("a")
    assert ahead.may_begin("a")


def test_slots_are_given_back(ahead: Ahead) -> None:
    for number in range(200):
        ahead.go_ahead(str(number))
        assert ahead.may_begin(str(number))
        ahead.refs[str(number)].complete(b"outcome")
    assert len(ahead.results) == 200


def test_nothing_goes_ahead_where_workers_do_not_hear(ahead: Ahead) -> None:
    ahead.go_ahead("a")
    ahead.go_ahead("b")
    ahead.refs["a"].complete(NOT_HEARD)
    assert not ahead.may_begin("b")
    ahead.go_ahead("c")
    assert "c" not in ahead.refs
    ahead.refs["b"].complete(NOT_HEARD)


def test_what_has_begun_reports_after_the_end_too(ahead: Ahead) -> None:
    ahead.go_ahead("a")
    assert ahead.may_begin("a")
    ahead.close()
    ahead.refs["a"].complete(NOT_BEGUN)  # its worker had not listened yet: it is submitted anew
    assert ahead.results == [NOT_BEGUN]
