"""``sematic logs``."""

import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import sematic
from tests.unit.cli import pipelines
from tests.unit.cli.conftest import iter_ids

Cli = Callable[..., Result]


@sematic.func(retry=sematic.RetrySettings(exceptions=(ValueError,), retries=1))
def stubborn() -> int:
    print("trying")
    raise ValueError


@sematic.func
def silent() -> int:
    return 1


def test_a_pipeline_run_shows_all_of_its_runs(sematic_cli: Cli, complete_id: str) -> None:
    ids = list(iter_ids(sematic_cli("show", complete_id).stdout))[1:]
    result = sematic_cli("logs", complete_id[:8])
    assert result.exit_code == 0
    assert result.stdout.split("\n\n") == [
        f"==> add_up {ids[0][:8]} <==\nadding up",
        f"==> add {ids[1][:8]} <==\nadding 0 and 1",
        f"==> add {ids[2][:8]} <==\nadding 1 and 1\n",
    ]


def test_a_nested_run_shows_its_own(sematic_cli: Cli, failed_id: str) -> None:
    *_, run_id = iter_ids(sematic_cli("show", failed_id).stdout)
    assert sematic_cli("logs", run_id).stdout == "about to divide\n"
    assert sematic_cli("logs", run_id, "--attempt", "1").stdout == "about to divide\n"


def test_an_attempt_without_output(sematic_cli: Cli, failed_id: str) -> None:
    *_, run_id = iter_ids(sematic_cli("show", failed_id).stdout)
    result = sematic_cli("logs", run_id, "--attempt", "2")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: divide {run_id[:8]} has no output of attempt 2; there is output of attempt 1.\n"
    )


def test_several_attempts(sematic_cli: Cli, config_directory: Path) -> None:
    run_id = pipelines.run(stubborn())
    logs = config_directory / "logs" / run_id
    (logs / f"{run_id}-1.log").write_bytes(b"first, without an end")
    (logs / f"{run_id}-2.log").write_bytes(b"second\n")
    (logs / f"{run_id}-10.log").write_bytes(b"tenth\n")
    (logs / "notes.txt").write_text("somebody else's")
    assert sematic_cli("logs", run_id).stdout == (
        f"==> stubborn {run_id[:8]}, attempt 1 <==\nfirst, without an end\n\n"
        f"==> stubborn {run_id[:8]}, attempt 2 <==\nsecond\n\n"
        f"==> stubborn {run_id[:8]}, attempt 10 <==\ntenth\n"
    )


def test_what_was_printed_before_the_first_attempt(
    sematic_cli: Cli, config_directory: Path
) -> None:
    run_id = pipelines.run(silent())
    logs = config_directory / "logs" / run_id
    logs.mkdir(parents=True)
    (logs / f"{run_id}-0.log").write_text("by a property\n")
    assert sematic_cli("logs", run_id).stdout == f"==> silent {run_id[:8]} <==\nby a property\n"
    assert sematic_cli("logs", run_id, "--attempt", "0").stdout.endswith("by a property\n")


def test_nothing_was_printed(sematic_cli: Cli) -> None:
    run_id = pipelines.run(silent())
    result = sematic_cli("logs", run_id)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"silent {run_id[:8]} printed nothing.\n"


def test_bytes_come_as_they_are(sematic_cli: Cli, complete_id: str, config_directory: Path) -> None:
    *_, run_id = iter_ids(sematic_cli("show", complete_id).stdout)
    content = bytes(range(256)) * 10_000
    (config_directory / "logs" / complete_id / f"{run_id}-1.log").write_bytes(content)
    assert sematic_cli("logs", run_id).stdout_bytes == content


def test_unknown(sematic_cli: Cli, complete_id: str) -> None:
    result = sematic_cli("logs", "nope")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: No run has an id that starts with 'nope'.\n",
    )


def test_following_a_run_that_has_ended(sematic_cli: Cli, complete_id: str) -> None:
    followed = sematic_cli("logs", "-f", complete_id)
    assert followed.stdout == sematic_cli("logs", complete_id).stdout


_PROGRAM = """
    import pathlib, sys, time, sematic

    @sematic.func
    def talk() -> int:
        print("one", flush=True)
        deadline = time.monotonic() + 120
        while not pathlib.Path(sys.argv[1]).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        print("two", flush=True)
        return 1

    @sematic.func
    def pipeline() -> int:
        return talk()

    future = pipeline()
    print(future.id, flush=True)
    sematic.LocalRunner(progress="off").run(future)
"""


@pytest.mark.parametrize("ends", [True, False])
def test_following(config_directory: Path, tmp_path: Path, ends: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM), str(tmp_path / "gate")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    run_id = driver.stdout.readline().strip()
    assert driver.stdout.readline() == "one\n"  # so it is recorded, and has a log
    command = "from sematic.cli import main; main()"
    following = subprocess.Popen(
        [sys.executable, "-c", command, "logs", "--follow", run_id],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    watchdog = threading.Timer(90, following.kill)
    watchdog.start()
    try:
        assert following.stdout.readline().startswith("==> talk ")
        assert following.stdout.readline() == "one\n"
        if ends:
            (tmp_path / "gate").touch()
        else:
            driver.kill()
        driver.communicate()
        rest, errors = following.communicate()
    finally:
        watchdog.cancel()
        driver.kill()
        following.kill()
    assert following.returncode == 0
    if ends:
        assert (rest, errors) == ("two\n", "")
    else:
        assert rest == ""
        gone = rf"Pipeline run {run_id[:8]}: process \d+, which drove it, is gone.\n"
        assert re.fullmatch(gone, errors)
