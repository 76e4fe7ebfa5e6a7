"""Signal handlers that C code has replaced are Python's again, and nobody else's."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic.ray_backend.signal_actions import kept_signal_actions, take_back_signals

# A library of C that takes signals, as Ray's does: sigaction() with a handler in its own file.
_LIBRARY = """
#include <signal.h>
#include <unistd.h>
static void handle(int number) { if (write(1, NAME, sizeof NAME - 1)) (void)number; }
void take(int number) { signal(number, handle); }
void leave(int number) { signal(number, SIG_DFL); }
"""
_STILL_PYTHONS = signal.SIGUSR2


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two of them, in directories of their own."""
    made = {}
    for name in ("ray", "other"):
        directory = tmp_path_factory.mktemp(name)
        (directory / "taker.c").write_text(_LIBRARY)
        made[name] = directory / "taker.so"
        command = ["cc", "-shared", "-fPIC", f'-DNAME="{name} "', "-o", str(made[name])]
        try:
            subprocess.run([*command, str(directory / "taker.c")], check=True)
        except FileNotFoundError:
            pytest.skip("there is no C compiler here")
    return made


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What Python's handler of SIGTERM, SIGINT and one that nobody takes have been given."""
    numbers: list[int] = []
    taken = (signal.SIGTERM, signal.SIGINT, _STILL_PYTHONS)
    before = {n: signal.signal(n, lambda number, _: numbers.append(number)) for n in taken}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def _take(library: Path, number: int) -> None:
    ctypes.CDLL(str(library)).take(number)


def test_a_signal_goes_to_its_handler_in_python_again(
    libraries: dict[str, Path], heard: list[int]
) -> None:
    _take(libraries["ray"], signal.SIGTERM)
    take_back_signals(libraries["ray"].parent)
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_what_another_library_has_taken_is_no_handler_of_pythons(
    libraries: dict[str, Path], heard: list[int]
) -> None:
    """Python knows nothing of that, and names its own handler for it all the same."""
    _take(libraries["other"], signal.SIGINT)
    _take(libraries["ray"], signal.SIGTERM)
    take_back_signals(libraries["ray"].parent)
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]
    os.kill(os.getpid(), signal.SIGINT)  # stays with whoever has taken it
    assert heard == [signal.SIGTERM]


_NONE_LEFT = """
import ctypes, os, signal, sys
from pathlib import Path
from sematic.ray_backend.signal_actions import take_back_signals

ray, other = map(Path, sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
ctypes.CDLL(str(other)).take(signal.SIGINT)
ctypes.CDLL(str(ray)).take(signal.SIGTERM)
take_back_signals(ray.parent)
os.kill(os.getpid(), signal.SIGTERM)
print("goes on", flush=True)
"""


def test_a_signal_is_left_alone_where_nothing_tells_what_pythons_handler_is(
    libraries: dict[str, Path],
) -> None:
    """Better the library that has it than another one's handler, which Python would not see."""
    done = subprocess.run(
        [sys.executable, "-c", _NONE_LEFT, str(libraries["ray"]), str(libraries["other"])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ray goes on\n"


def test_what_was_there_before_is_put_back_whoever_had_it(
    libraries: dict[str, Path], heard: list[int]
) -> None:
    _take(libraries["other"], signal.SIGTERM)
    with kept_signal_actions(libraries["ray"].parent):
        _take(libraries["ray"], signal.SIGTERM)
        _take(libraries["ray"], signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)  # the other library's, as before
    os.kill(os.getpid(), signal.SIGINT)
    assert heard == [signal.SIGINT]


def test_a_signal_that_was_left_at_the_default_goes_to_its_handler_again(
    libraries: dict[str, Path], heard: list[int]
) -> None:
    """As Ray leaves it when it ends."""
    taken = ctypes.CDLL(str(libraries["ray"]))
    with kept_signal_actions(libraries["ray"].parent):
        taken.leave(signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    taken.leave(signal.SIGINT)
    take_back_signals(libraries["ray"].parent)
    os.kill(os.getpid(), signal.SIGINT)
    assert heard == [signal.SIGTERM, signal.SIGINT]
