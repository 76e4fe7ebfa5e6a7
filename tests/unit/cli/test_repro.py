"""``sematic repro``: a recorded call again, with nothing recorded of it."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import Result

import sematic
from sematic.client import open_record
from tests.acceptance.programs import run_python
from tests.terminal import Terminal
from tests.unit.cli import pipelines

Cli = Callable[..., Result]
_now = {"value": 1}


@sematic.func
def shifting(x: int, /, path: str, *, flags: dict[str, float]) -> int:
    print("executing", x, sematic.context().run_id)
    if _now["value"] < 0:
        raise ValueError(f"negative: {_now['value']}")
    return x + _now["value"]


@sematic.func
def sharing() -> list[list[int]]:
    return [total(list(range(1000)), pipelines.Config()) for _ in range(2)]


@sematic.func
def total(sys: list[int], pickle: pipelines.Config) -> list[int]:
    return [sum(sys)]


@sematic.func
def first() -> int:
    return total([1], pipelines.Config())[0] + 1


@pytest.fixture
def shifting_id() -> str:
    _now["value"] = 1
    return run(shifting(2, "p", flags={"a": 0.5}))


def run(future: sematic.Future) -> str:
    with suppress(sematic.PipelineRunError):
        sematic.LocalRunner(progress="off").run(future)
    return future.id


def nested(root_id: str, name: str) -> str:
    return next(run.id for run in open_record().runs(root_id) if run.name == name)


def recorded(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if not path.name.startswith("sematic.db-")}


class TestExecution:
    def test_as_recorded_and_another(
        self, sematic_cli: Cli, shifting_id: str, config_directory: Path
    ) -> None:
        before = recorded(config_directory)
        result = sematic_cli("repro", shifting_id[:10])
        assert result.exit_code == 0
        first, second, third = result.stdout.splitlines()
        assert first == f"executing 2 {shifting_id}"
        assert second.startswith("✓ shifting  returned in ")
        assert second.endswith(", as recorded")
        assert third == "  3"
        _now["value"] = 5
        result = sematic_cli("repro", shifting_id)
        assert "another one is recorded: sematic artifact " in result.stdout
        assert result.stdout.endswith("\n  7\n")
        assert recorded(config_directory) == before
        assert len(open_record().pipeline_runs()) == 1

    def test_failing(self, sematic_cli: Cli, failed_id: str, shifting_id: str) -> None:
        result = sematic_cli("repro", nested(failed_id, "divide"))
        assert result.exit_code == 1
        assert "return a / b" in result.stderr
        assert "site-packages" not in result.stderr
        assert "✗ divide  failed after " in result.stderr
        assert result.stderr.endswith(", as recorded\n")
        _now["value"] = -1
        assert sematic_cli("repro", shifting_id).stderr.endswith("which is not recorded of it\n")

    def test_failing_otherwise(self, sematic_cli: Cli) -> None:
        _now["value"] = -2
        run_id = run(shifting(2, "p", flags={}))
        _now["value"] = -3
        expected = ", recorded is ValueError: negative: -2\n"
        assert sematic_cli("repro", run_id).stderr.endswith(expected)

    def test_failing_no_more(self, sematic_cli: Cli) -> None:
        _now["value"] = -2
        run_id = run(shifting(2, "p", flags={}))
        _now["value"] = 1
        result = sematic_cli("repro", run_id)
        assert result.exit_code == 0
        assert ", recorded is ValueError: negative: -2\n  3\n" in result.stdout

    def test_calls_are_listed(self, sematic_cli: Cli, complete_id: str) -> None:
        output = sematic_cli("repro", complete_id).stdout
        assert "adding up\n◐ add_up  returned in " in output
        assert output.endswith("; it made calls, not executed here:\n  2 × add, 1 × total\n")

    def test_in_the_debugger(self, failed_id: str) -> None:
        arguments = ["repro", nested(failed_id, "divide"), "--pdb"]
        terminal = Terminal(f"from sematic.cli import main; main({arguments!r})", columns=200)
        terminal.wait_for("(Pdb)")
        assert "-> return a / b" in terminal.screen.lines
        terminal.type("p (a, b)")
        terminal.wait_for("(3, 0)")
        terminal.type("quit")
        assert terminal.wait() == 1


class TestCopy:
    def test_script_and_inputs(self, sematic_cli: Cli, tmp_path: Path) -> None:
        """Arguments may be called like what the script imports."""
        place = tmp_path / "new" / "copy"
        result = sematic_cli("repro", nested(run(sharing()), "total"), "--copy", str(place))
        assert result.stdout == f"Wrote {place}/total.py. To execute it: python {place}/total.py\n"
        assert {path.name for path in place.iterdir()} == {
            "total.py",
            "sys.pickle",
            "pickle.pickle",
        }
        assert run_python(str(place / "total.py")) == "[499500]\n"
        result = sematic_cli("repro", nested(run(sharing()), "total"), "--copy", str(place))
        assert result.exit_code == 1
        assert "exists already" in result.stderr

    def test_a_directory_that_cannot_be_made(
        self, sematic_cli: Cli, shifting_id: str, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        place = tmp_path / "file" / "new"
        result = sematic_cli("repro", shifting_id, "--copy", str(place))
        assert result.exit_code == 1
        assert result.stderr == f"Error: Cannot write {place}: Not a directory.\n"

    def test_what_makes_calls_shows_what_it_made(self, sematic_cli: Cli, tmp_path: Path) -> None:
        """Futures have no text of their own."""
        sematic_cli("repro", run(first()), "--copy", str(tmp_path))
        assert run_python(str(tmp_path / "first.py")).startswith("Operation('add'")

    def test_short_inputs_are_in_the_script(
        self, sematic_cli: Cli, shifting_id: str, tmp_path: Path
    ) -> None:
        sematic_cli("repro", shifting_id, "--copy", str(tmp_path))
        script = (tmp_path / "shifting.py").read_text()
        assert "    'flags': {'a': 0.5},\n" in script
        assert "func(INPUTS['x'], path=INPUTS['path'], flags=INPUTS['flags'])" in script
        done = subprocess.run(
            [sys.executable, str(tmp_path / "shifting.py")],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        assert "context() must be called" in done.stderr  # so far it comes


class TestMistakes:
    def test_inputs_that_were_never_known(self, sematic_cli: Cli, lost_id: str) -> None:
        result = sematic_cli("repro", nested(lost_id, "after"))
        assert result.exit_code == 1
        assert "never had all of its inputs" in result.stderr

    def test_a_function_that_is_not_there(self, sematic_cli: Cli, lost_id: str) -> None:
        result = sematic_cli("repro", nested(lost_id, "die"))
        assert result.exit_code == 1
        assert "Its code as it was: sematic show " in result.stderr

    def test_other_arguments(
        self, sematic_cli: Cli, complete_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pipelines.add, "__signature__", _renamed.__signature__)
        result = sematic_cli("repro", nested(complete_id, "add"))
        assert result.exit_code == 1
        assert "have changed since it was recorded: 'b' is gone, 'c' is new." in result.stderr


@sematic.func
def _renamed(a: int, c: int) -> int:
    return a
