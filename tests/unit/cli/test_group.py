"""``sematic`` itself: help, version, completion, errors, and what it loads."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import Result

from sematic import __version__
from sematic.cli import main
from tests.unit.cli import pipelines
from tests.unit.cli.conftest import iter_ids

Cli = Callable[..., Result]
COMMANDS = [
    "run",
    "runs",
    "show",
    "logs",
    "why",
    "cancel",
    "resume",
    "rerun",
    "repro",
    "clean",
    "delete",
    "artifact",
    "artifacts",
    "gc",
    "settings",
    "completion",
    "version",
]


def completions(*arguments: str, incomplete: str) -> list[str]:
    complete = ShellComplete(main, {}, "sematic", "_SEMATIC_COMPLETE")
    return [item.value for item in complete.get_completions(list(arguments), incomplete)]


def test_help_lists_all_commands(sematic_cli: Cli) -> None:
    output = sematic_cli("--help").stdout
    listed = output.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert sematic_cli("-h").stdout == output
    for command in COMMANDS:
        assert sematic_cli(command, "--help").exit_code == 0


def test_unknown_command(sematic_cli: Cli) -> None:
    result = sematic_cli("nope")
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: No such command 'nope'.\n")
    assert "No such command 'log'. Did you mean 'logs'?" in sematic_cli("log", "1a").stderr


def test_version_as_an_option(sematic_cli: Cli) -> None:
    assert sematic_cli("--version").stdout == f"sematic {__version__}\n"


def test_the_package_can_be_called_where_the_command_is_not_on_the_path() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sematic", "shw"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: python -m sematic [OPTIONS] COMMAND")
    assert "Did you mean 'show'?" in done.stderr


def test_numbers_are_called_so(sematic_cli: Cli) -> None:
    assert "'-n' / '--limit': 'x' is no number.\n" in sematic_cli("runs", "-n", "x").stderr
    assert "'-n' / '--limit': 0 is less than 1.\n" in sematic_cli("runs", "-n", "0").stderr
    assert "[default: 20]" in sematic_cli("runs", "--help").stdout


def test_numbers_may_be_of_any_size(sematic_cli: Cli, complete_id: str) -> None:
    assert complete_id in sematic_cli("runs", "-n", "9" * 30).stdout


def test_closed_streams_lead_nowhere(complete_id: str) -> None:
    program = f"from sematic.cli import main; main(['show', {complete_id!r}])"
    for closed in (">&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["bash", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_version(sematic_cli: Cli, config_directory: Path) -> None:
    output = sematic_cli("version").stdout
    assert f"Sematic client v{__version__} is installed." in output
    assert "There is no record yet." in output
    assert not config_directory.exists()
    pipelines.run(pipelines.add(1, 2))
    assert "The record has schema 0" in sematic_cli("version").stdout


def test_our_own_errors_have_no_traceback(
    sematic_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_DATABASE_URL", "nonsense")
    result = sematic_cli("runs")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: SEMATIC_DATABASE_URL is 'nonsense'")
    assert "Traceback" not in result.stderr
    assert "Traceback" in sematic_cli("--verbose", "runs").stderr


def test_a_damaged_record_is_an_error_in_one_line(sematic_cli: Cli, config_directory: Path) -> None:
    config_directory.mkdir()
    (config_directory / "sematic.db").write_text("this is no database" * 100)
    result = sematic_cli("runs")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Cannot use the record at ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(sematic_cli: Cli, shell: str) -> None:
    result = sematic_cli("completion", shell)
    assert result.exit_code == 0
    assert "_SEMATIC_COMPLETE" in result.stdout


def test_how_to_install_completion(sematic_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    output = sematic_cli("completion").stdout
    assert 'eval "$(sematic completion zsh)"' in output
    assert "bash" not in output
    monkeypatch.setenv("SHELL", "/bin/odd")
    assert "bash" in sematic_cli("completion").stdout


def test_ids_complete(sematic_cli: Cli, complete_id: str, failed_id: str) -> None:
    assert completions("show", incomplete="") == [failed_id[:12], complete_id[:12]]
    assert complete_id[:12] in completions("logs", incomplete=complete_id[:2].upper())
    *_, nested_id = iter_ids(sematic_cli("show", complete_id).stdout)
    assert completions("show", incomplete=nested_id[:7]) == [nested_id[:12]]
    assert completions("show", incomplete="zz") == []


def test_completion_without_a_record() -> None:
    assert completions("show", incomplete="") == []
    assert "examples/add" in completions("run", incomplete="ex")
    assert completions("", incomplete="ru") == ["run", "runs"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["exa"], ["examples/add", "examples/cancer", "examples/digits"]),
        ([""], ["examples/add", "examples/cancer", "examples/digits", "mine.py", "other/"]),
        (["min"], []),  # files are left to bash
    ],
)
def test_targets_complete_in_bash(words: list[str], expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "other").mkdir()
    program = f"""
eval "$(sematic completion bash)"
COMP_WORDS=(sematic run {words[0] or "''"}) COMP_CWORD=2
_sematic_completion sematic
echo "${{#COMPREPLY[@]}} ${{COMPREPLY[*]}}"
"""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    number, *found = done.stdout.split()
    assert (int(number), found) == (len(expected), expected)


def test_an_unreadable_record_does_not_disturb_completion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEMATIC_DATABASE_URL", "nonsense")
    assert completions("show", incomplete="") == []


@pytest.mark.parametrize("arguments", [["--help"], ["show", "--help"], ["settings", "show"]])
def test_what_needs_no_record_loads_nothing_heavy(arguments: list[str]) -> None:
    program = """
import json, sys
from sematic.cli import main
main(json.loads(sys.argv[1]), standalone_mode=False)
heavy = ["sqlite3", "sqlalchemy", "rich", "ray", "numpy", "pandas", "pyarrow", "pydantic"]
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_commands_that_read_load_no_heavy_library(complete_id: str) -> None:
    program = """
import sys
from sematic.cli import main
for arguments in (["runs"], ["show", sys.argv[1]], ["show", sys.argv[1], "--inputs"]):
    main(arguments, standalone_mode=False)
heavy = ["sqlalchemy", "rich.console", "ray", "numpy", "pandas", "pyarrow", "pydantic"]
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, complete_id],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["show", "logs", "cancel", "resume", "artifact"])
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_id_is_refused(
    sematic_cli: Cli, complete_id: str, command: str, empty: str
) -> None:
    """It is a shell variable without a value, and must not mean the only run that there is."""
    result = sematic_cli(command, empty)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].endswith(": the id is empty.")


def test_summaries_of_commands_are_whole(sematic_cli: Cli) -> None:
    assert "..." not in sematic_cli("--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("unbuffered", [[], ["-u"]], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("command", ["--help", "runs", "runs --json", "show", "logs", "version"])
def test_output_that_cannot_be_written(
    complete_id: str, command: str, unbuffered: list[str]
) -> None:
    arguments = [*command.split(), *[complete_id] * (command in ("show", "logs"))]
    with open("/dev/full", "w") as full:
        done = call_cli(*arguments, python=unbuffered, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "Error: The output cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", ["--help", "runs", "show", "logs"])
def test_a_reader_that_has_gone_is_no_error(complete_id: str, command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    arguments = [command, *[complete_id] * (command in ("show", "logs"))]
    done = call_cli(*arguments, stdout=write)
    os.close(write)
    assert done.stderr == ""


def call_cli(
    *arguments: str, stdout: Any, python: Sequence[str] = ()
) -> "subprocess.CompletedProcess[str]":
    """A process of its own, as a shell starts it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("PYTHONUNBUFFERED", None)
    program = "from sematic.cli import main; main(prog_name='sematic')"
    return subprocess.run(
        [sys.executable, *python, "-c", program, *arguments],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
