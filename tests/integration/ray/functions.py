"""Standalone functions of a module: workers import them."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import sematic
from sematic import SematicContext


@dataclass
class Point:
    x: int
    y: int


class PictureError(Exception):
    """Importable, and not made of one argument."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(f"{width} x {height}")
        self.width, self.height = width, height

    def __reduce__(self) -> tuple[type, tuple[int, int]]:
        return PictureError, (self.width, self.height)


class LockedError(Exception):
    """Cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()
        self.code = 7


class TwoPartError(Exception):
    """Can be pickled, but not unpickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


@sematic.func(standalone=True)
def add(a: int, b: int) -> int:
    return a + b


@sematic.func(standalone=True)
def process_id(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


@sematic.func(standalone=True)
def meet(directory: str, name: str, others: int) -> int:
    """Returns its process id once as many others are here too."""
    Path(directory, name).touch()
    deadline = time.monotonic() + 120
    while len(list(Path(directory).iterdir())) < 1 + others:
        assert time.monotonic() < deadline, "nobody came"
        time.sleep(0.01)
    return os.getpid()


@sematic.func(standalone=True)
def nothing() -> None:
    return None


@sematic.func(standalone=True)
def ids(depth: int) -> list[SematicContext]:
    """The contexts of this call and of those nested in it."""
    here = sematic.context()
    return [here] if depth == 0 else join(here, ids(depth - 1))


@sematic.func
def join(first: SematicContext, others: list[SematicContext]) -> list[SematicContext]:
    return [first, *others]


@sematic.func(standalone=True)
def fibonacci(n: int) -> int:
    """Recursive: returned from workers, level by level."""
    return n if n < 2 else add(fibonacci(n - 1), fibonacci(n - 2))


@sematic.func(standalone=True)
def numbers(n: int) -> list[int]:
    return list(range(n))


@sematic.func(standalone=True)
def square(x: int) -> int:
    return x * x


@sematic.func(standalone=True)
def squares(n: int) -> list[int]:
    return square.map(numbers(n))


@sematic.func(standalone=True)
def mirror(point: Point) -> Point:
    return Point(point.y, point.x)


@sematic.func(standalone=True)
def twice(point: Point) -> list[Point]:
    return [mirror(mirror(point)), mirror(point)]


@sematic.func(standalone=True)
def fail(kind: str) -> int:
    return _raise(kind)


def _raise(kind: str) -> int:
    if kind == "picture":
        raise PictureError(3, 4)
    if kind == "locked":
        raise LockedError("it has a lock")
    if kind == "two parts":
        raise TwoPartError("one", "two")
    if kind == "exit":
        sys.exit(3)
    if kind == "interrupt":
        raise KeyboardInterrupt("by the user's code")
    if kind == "chain":
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("the cause is a KeyError") from error
    raise ValueError(kind)


@sematic.func(standalone=True)
def die(how: str, counter: str) -> int:
    """Ends its process, after it has left a line in a file."""
    note(counter)
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "os._exit":
        os._exit(3)
    if how == "segmentation fault":
        print("on the way down", flush=True)
        ctypes.string_at(0)
    return 1


@sematic.func(standalone=True)
def die_before_a_child(path: str) -> int:
    """Ends its process while a child that it has forked goes on."""
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    Path(path).write_text(str(pid))
    os._exit(1)


@sematic.func(standalone=True)
def lose_worker(counter: str) -> int:
    """Dies the first time, and lives the second time."""
    if note(counter) == 1:
        os._exit(1)
    return 1


def note(counter: str) -> int:
    with Path(counter).open("a") as file:
        file.write("once\n")
    return len(Path(counter).read_text().splitlines())


@sematic.func(standalone=True)
def unstorable() -> object:
    return threading.Lock()


@sematic.func(standalone=True)
def speak(word: str, seconds: float) -> int:
    """Speaks in every way there is."""
    print(f"{word} by print")
    print(f"{word} to stderr", file=sys.stderr)
    logging.getLogger("user").warning("%s by logging", word)
    os.write(1, f"{word} by os.write\n".encode())
    subprocess.run(["sh", "-c", f"echo {word} by a child"], check=True)
    time.sleep(seconds)
    return len(word)


@sematic.func(standalone=True)
def speak_much(word: str) -> int:
    """A megabyte to each stream, which arrives in pieces."""
    for _ in range(1_000):
        print(word * (1_000 // len(word)))
        print(word * (1_000 // len(word)), file=sys.stderr, flush=True)
    return len(word)


@sematic.func(standalone=True)
def leave_child(word: str, seconds: float) -> int:
    """Prints nothing, but its child does, later."""
    subprocess.Popen(["sh", "-c", f"sleep {seconds}; echo {word}"])
    return 1


@sematic.func(standalone=True)
def sleep(seconds: float, started: str, child: bool) -> int:
    """One long call of C code; with a child that sleeps as long, in a session of its own."""
    pids = [os.getpid()]
    if child:
        command = [sys.executable, "-c", f"import time; time.sleep({seconds})"]
        pids.append(subprocess.Popen(command, start_new_session=True).pid)
    partial = Path(f"{started}.partial")
    partial.write_text(" ".join(map(str, pids)))
    partial.rename(started)
    time.sleep(seconds)
    return 1


@sematic.func(standalone=True)
def fail_when(path: str) -> int:
    """Fails once there is a file."""
    deadline = time.monotonic() + 120
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    raise ValueError("as planned")


@sematic.func(standalone=True)
def wait_for(path: str, seconds: float) -> int:
    """Ends some time after there is a file."""
    deadline = time.monotonic() + 120
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    return 1


@sematic.func(standalone=True)
def ask() -> str:
    return input("name? ")


@sematic.func(standalone=True)
def stop_here() -> int:
    breakpoint()
    return 1


@sematic.func(standalone=True)
def where() -> list[str]:
    """The directory, and what is first on the path of imports."""
    return [os.getcwd(), *sys.path[:1]]


@sematic.func(standalone=True)
def hang(how: str, started: str) -> int:
    """Hangs in a certain way, after it has started a process with nothing of its own environment,
    and a daemon.

    Leaves its process id in ``started``, and the ids of the others in a file beside it.
    """
    environment = {"PATH": os.environ["PATH"]}
    child = subprocess.Popen(["sleep", "60"], start_new_session=True, env=environment)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path(f"{started}.daemon").write_text(f"{child.pid} {os.getpid()}")
            time.sleep(60)
        os._exit(0)
    os.wait()
    while not Path(f"{started}.daemon").exists():
        time.sleep(0.01)
    Path(f"{started}.partial").write_text(str(os.getpid()))
    Path(f"{started}.partial").rename(started)
    _hang(how, started)
    return 1


def _hang(how: str, started: str) -> None:
    deadline = time.monotonic() + 60
    if how == "Python":
        while time.monotonic() < deadline:
            time.sleep(0.01)
    if how == "time.sleep":
        time.sleep(60)
    if how == "lock":
        lock = threading.Lock()
        with lock:
            lock.acquire()
    if how == "subprocess.run":
        subprocess.run(["sleep", "60"], check=True)
    if how == "C code":
        os.system("sleep 60")
    while how == "swallows it" and time.monotonic() < deadline:
        with contextlib.suppress(BaseException):
            time.sleep(60)
    if how == "cleans up":
        try:
            time.sleep(60)
        finally:
            time.sleep(1.0)
            Path(f"{started}.cleaned").touch()


@dataclass
class Loud:
    text: str

    @property
    def word(self) -> str:
        print("by a property")
        return self.text


@sematic.func
def loud(text: str) -> Loud:
    return Loud(text)


@sematic.func(standalone=True)
def speak_and_nest(word: str) -> str:
    print("by the function")
    return loud(word).word


@sematic.func(standalone=True)
def step(x: int, notes: str) -> int:
    """Soon over; leaves a line in a file, and one in its log."""
    note(notes)
    print(f"step {x}")
    return x + 1


@sematic.func(standalone=True)
def long_step(x: int, notes: str, seconds: float) -> int:
    """As step, but it takes its time."""
    time.sleep(seconds)
    note(notes)
    return x + 1


@sematic.func(standalone=True)
def nested_step(x: int, notes: str) -> int:
    """As two steps."""
    return step(step(x, notes), notes)


@sematic.func(standalone=True, retry=sematic.RetrySettings((ValueError,), retries=1))
def odd_step(x: int, notes: str) -> int:
    """As step, where the file has an odd number of lines by then."""
    note(notes)
    if len(Path(notes).read_text().splitlines()) % 2:
        raise ValueError("once more")
    return x + 1
