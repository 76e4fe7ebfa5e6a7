"""Functions, calls and outcomes as bytes, and in another process as what they were."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, List

import pytest

import sematic
from sematic.calls import Call, Expanded, Failed, Outcome, OutputOf, Succeeded
from sematic.errors import UnserializableValueError
from sematic.execution import build_root_call, execute_call
from sematic.function import Function
from sematic.shipping import (
    FunctionRef,
    Packer,
    build_reference,
    load_function,
    locate_function,
    pack_outcome,
    unpack_call,
    unpack_outcome,
)
from sematic.testing import MemoryStore
from tests.builders import artifact, error, list_of


@sematic.func
def importable(x: int) -> int:
    return x + 1


def call_of(function: Function[..., Any]) -> Call:
    return Call("run", "root", "parent", function, {}, function.options)


def arrived(function: Function[..., Any]) -> Function[..., Any]:
    """The function as it is in another process."""
    packer, made = Packer(), call_of(function)
    packed = packer.pack_call(made, {}, log_path="")
    return unpack_call(packed, packer.pack_function(function))[0].function


def outcome_of(function: Function[..., Any], *args: object) -> Outcome:
    store = MemoryStore()
    call = build_root_call(function(*args), store)
    return execute_call(call, call.inputs, store=store)


def value_of(function: Function[..., Any], *args: object) -> object:
    store = MemoryStore()
    call = build_root_call(function(*args), store)
    outcome = execute_call(call, call.inputs, store=store)
    assert isinstance(outcome, Succeeded), outcome
    return store.get(outcome.output)


# --- functions that can be imported


@pytest.mark.parametrize(
    ("function", "qualname"),
    [(importable, "importable"), (importable.map, "importable.map")],
)
def test_an_importable_function_travels_as_its_path(function, qualname) -> None:
    assert build_reference(function) == FunctionRef(__name__, qualname)
    assert arrived(function) is function
    assert locate_function(f"{__name__}.{qualname}") is function


@pytest.mark.parametrize(
    ("module", "qualname", "message"),
    [
        ("no_such_module", "f", r"no_such_module\.f: No module named 'no_such_module'.*install it"),
        (__name__, "gone", "did it change location"),
        (__name__, "Path", "did it change location"),
    ],
)
def test_a_function_that_is_not_there(module: str, qualname: str, message: str) -> None:
    with pytest.raises(ImportError, match=message):
        load_function(FunctionRef(module, qualname))


@pytest.mark.parametrize("path", [f"{__name__}.gone", "no_such_module.f", "gone", "os.getcwd"])
def test_a_recorded_path_that_is_not_there(path: str) -> None:
    with pytest.raises(ImportError, match="did it change location"):
        locate_function(path)


def test_a_module_whose_own_imports_fail_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_another.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"needs_another\.f: No module named 'no_such_module'"):
        locate_function("needs_another.f")


@pytest.mark.parametrize("line", ["raise RuntimeError('no')", "def (", "raise SystemExit(3)"])
def test_a_module_whose_code_fails_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / "fails.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"fails\.f: its import .* \(line 1 of .*fails\.py\)\."):
        locate_function("fails.f")


# --- functions that cannot


def test_a_local_function_travels_with_its_code() -> None:
    offset = 10

    @sematic.func(cache=True)
    def local(x: int) -> int:
        """Adds ten."""
        return x + offset

    reference = build_reference(local)
    assert (reference.module, reference.qualname) == (__name__, local.__qualname__)
    assert reference.code
    other = arrived(local)
    assert other is not local
    assert value_of(other, 1) == 11
    assert (other.__doc__, other.path, other.options) == ("Adds ten.", local.path, local.options)
    assert (other.input_types, other.output_type) == ({"x": int}, int)
    assert (other.source, other.source_hash) == (local.source, local.source_hash)
    assert other.__signature__ == local.__signature__
    assert sematic.SilentRunner().run(other.map([1, 2])) == [11, 12]
    with pytest.raises(sematic.errors.CastError):
        other("abc")


def test_a_function_is_packed_once_and_arrives_once() -> None:
    @sematic.func
    def local() -> int:
        return 1

    packer = Packer()
    assert not packer.knows(local)
    packed = packer.pack_function(local)
    assert packer.knows(local)
    assert packer.pack_function(local) is packed
    assert arrived(local) is arrived(local)


def test_a_local_function_that_calls_others() -> None:
    @sematic.func
    def inner(x: int) -> int:
        return x * 2

    @sematic.func
    def outer(x: int) -> List[int]:
        return [inner(x), importable(x)]

    outcome = outcome_of(arrived(outer), 3)
    assert isinstance(outcome, Expanded)
    first, second = (nested.function for nested in outcome.calls)
    assert second is importable
    assert first.path == inner.path
    assert value_of(first, 3) == 6


def test_a_local_function_that_calls_itself() -> None:
    @sematic.func
    def countdown(n: int) -> int:
        return countdown(n - 1) if n else 0

    other = arrived(countdown)
    outcome = outcome_of(other, 1)
    assert isinstance(outcome, Expanded)
    assert outcome.calls[0].function is other


def test_a_variable_that_cannot_be_pickled_is_named() -> None:
    lock = threading.Lock()

    @sematic.func
    def local() -> bool:
        return lock.locked()

    with pytest.raises(UnserializableValueError) as caught:
        Packer().pack_function(local)
    assert "cannot be sent to another process: its variable 'lock', a lock" in str(caught.value)
    assert "Make it inside of the function" in str(caught.value)


def test_a_shadowed_function_travels_with_its_code(monkeypatch) -> None:
    """The module has the plain function under its name."""
    module = ModuleType("shadowing")
    exec("def f(x: int) -> int:\n    return x + 1", vars(module))
    monkeypatch.setitem(sys.modules, "shadowing", module)
    function = sematic.func(module.f)
    assert build_reference(function).code
    assert value_of(arrived(function), 1) == 2


# --- calls and outcomes


def test_a_call_arrives_with_all_that_its_execution_needs() -> None:
    inputs = {"x": artifact(1), "y": artifact("large", payload=None)}
    packer, made = Packer(), call_of(importable)
    packed = packer.pack_call(made, inputs, log_path="/logs/a")
    call, arrived_inputs, log_path = unpack_call(packed, packer.pack_function(importable))
    assert (call.run_id, call.root_id, call.function) == ("run", "root", importable)
    assert arrived_inputs == inputs
    assert log_path == "/logs/a"


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(artifact(1)),
        Failed(error("broken")),
        Expanded((call_of(importable), call_of(importable.map)), list_of("a", "b")),
        Expanded((), OutputOf("a")),
    ],
)
def test_an_outcome_arrives_as_it_was(outcome) -> None:
    assert unpack_outcome(pack_outcome(outcome, 1.5, 2.5)) == (outcome, 1.5, 2.5, None)
    packed = pack_outcome(outcome, 1.5, 2.5, log_failure="full")
    assert unpack_outcome(packed) == (outcome, 1.5, 2.5, "full")


def test_nested_calls_of_local_functions_arrive() -> None:
    @sematic.func(standalone=True)
    def local(x: int) -> int:
        return x * 2

    packed = pack_outcome(Expanded((call_of(local), call_of(local)), OutputOf("run")), 0.0, 0.0)
    outcome, *_ = unpack_outcome(packed)
    assert isinstance(outcome, Expanded)
    first, second = outcome.calls
    assert first.function is second.function
    assert first.options.standalone
    assert value_of(first.function, 4) == 8


def test_a_nested_call_that_cannot_travel_says_so() -> None:
    lock = threading.Lock()

    @sematic.func
    def local() -> bool:
        return lock.locked()

    with pytest.raises(UnserializableValueError, match="its variable 'lock'"):
        pack_outcome(Expanded((call_of(local),), OutputOf("run")), 0.0, 0.0)


# --- __main__

SCRIPT = """
    import pickle
    import sys

    import sematic
    from sematic.calls import Call
    from sematic.shipping import Packer

    class Config:
        rate = 0.5

        class Broken(Exception):
            pass

    @sematic.func
    def countdown(n: int) -> int:
        return countdown(n - 1) if n else 0

    @sematic.func(retry=sematic.RetrySettings((Config.Broken,), retries=1))
    def configured(config: Config) -> float:
        return config.rate

    if __name__ == "__main__":
        packer = Packer()
        calls = [Call("run", "root", None, f, {}, f.options) for f in (countdown, configured)]
        with open(sys.argv[1], "wb") as file:
            functions = [packer.pack_function(call.function) for call in calls]
            packed = [packer.pack_call(call, {}, log_path="") for call in calls]
            pickle.dump([*zip(packed, functions)], file)
"""
WORKER = """
    import pickle
    import sys

    from sematic.shipping import unpack_call

    packed = pickle.load(open(sys.argv[1], "rb"))
    countdown, configured = (unpack_call(*call)[0].function for call in packed)
    assert countdown.path == "train_model.countdown", countdown.path
    assert countdown(1).function is countdown
    assert countdown.func.__globals__["countdown"] is countdown
    config = configured.input_types["config"]()
    assert configured.func(config) == 0.5
    assert configured(config).kwargs["config"].rate == 0.5
    (broken,) = configured.options.retry.exceptions
    assert broken.__qualname__ == "Config.Broken", broken.__qualname__
    print("arrived", configured.input_descriptors)
"""


def test_functions_of_a_script_reach_another_process(tmp_path: Path) -> None:
    """Neither the script nor its classes can be imported there."""
    script, worker, packed = (tmp_path / name for name in ("train_model.py", "w.py", "packed"))
    script.write_text(textwrap.dedent(SCRIPT))
    worker.write_text(textwrap.dedent(WORKER))
    environment = {**os.environ, "PYTHONPATH": str(Path(sematic.__file__).parents[1])}
    subprocess.run([sys.executable, script, packed], check=True, env=environment)
    script.unlink()
    done = subprocess.run(
        [sys.executable, worker, packed],
        check=True,
        env={**environment, "SEMATIC_MAIN_MODULE": "train_model"},
        stdout=subprocess.PIPE,
    )
    assert b"arrived {'config': 'train_model.Config'}" in done.stdout
