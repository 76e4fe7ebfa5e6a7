"""``sematic settings``."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from sematic.cli.settings import settings_group
from sematic.settings import SETTINGS, read_setting


@pytest.fixture
def directory(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SEMATIC_CONFIG_DIR", str(tmp_path))
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    return tmp_path


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(settings_group, arguments, input=typed)


def completions(*arguments: str, incomplete: str) -> list[str]:
    complete = ShellComplete(settings_group, {}, "settings", "_COMPLETE")
    return [item.value for item in complete.get_completions(list(arguments), incomplete)]


@pytest.mark.usefixtures("directory")
def test_set_and_delete() -> None:
    result = run("set", "SNOWFLAKE_USER", "x")
    assert (result.exit_code, result.output) == (0, "Successfully set SNOWFLAKE_USER to 'x'\n")
    assert read_setting("SNOWFLAKE_USER") == "x"
    result = run("delete", "SNOWFLAKE_USER")
    assert (result.exit_code, result.output) == (0, "Successfully deleted SNOWFLAKE_USER\n")
    assert read_setting("SNOWFLAKE_USER") is None
    result = run("delete", "SNOWFLAKE_USER")
    assert (result.exit_code, result.output) == (0, "SNOWFLAKE_USER is not in the settings file\n")


@pytest.mark.usefixtures("directory")
def test_secrets_are_not_echoed() -> None:
    result = run("set", "SNOWFLAKE_PASSWORD", "hush")
    assert result.output == "Successfully set SNOWFLAKE_PASSWORD\n"
    assert read_setting("SNOWFLAKE_PASSWORD") == "hush"
    result = run("set", "SEMATIC_DATABASE_URL", "postgresql://me:hush@host/db")
    assert "hush" not in result.output
    assert "hush" not in run("show").output


@pytest.mark.usefixtures("directory")
def test_value_is_missing_where_nobody_can_be_asked() -> None:
    result = run("set", "SEMATIC_PROGRESS")
    assert result.exit_code == 2
    assert result.stderr.endswith("\nError: Missing argument 'VALUE'.\n")


@pytest.mark.usefixtures("directory")
def test_value_is_asked_for_when_it_is_left_out() -> None:
    result = run("set", "SNOWFLAKE_PASSWORD", typed="hush\n")
    assert result.exit_code == 0
    assert "hush" not in result.output
    assert read_setting("SNOWFLAKE_PASSWORD") == "hush"


@pytest.mark.usefixtures("directory")
def test_value_may_start_with_a_dash() -> None:
    assert run("set", "SNOWFLAKE_PASSWORD", "-x --y").exit_code == 0
    assert read_setting("SNOWFLAKE_PASSWORD") == "-x --y"


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize("arguments", [("set", "FOO", "x"), ("set", "FOO"), ("delete", "FOO")])
def test_unknown_setting_is_refused_with_the_known_ones(arguments) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert "Invalid settings key: FOO! Available keys:\n" in result.output
    assert all(setting.name in result.output for setting in SETTINGS)


def test_invalid_value_and_malformed_file_are_errors_for_people(directory: Path) -> None:
    result = run("set", "SEMATIC_PROGRESS", "loud")
    assert result.exit_code == 1
    assert result.output == (
        "Error: SEMATIC_PROGRESS is 'loud'; it must be one of auto, plain, off.\n"
    )
    (directory / "settings.yaml").write_text("a: [")
    for arguments in (["show"], ["set", "SNOWFLAKE_USER", "x"], ["delete", "SNOWFLAKE_USER"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "settings.yaml, line 1" in result.output
        assert "Traceback" not in result.output


def test_show_tells_values_and_origins(directory: Path, monkeypatch) -> None:
    run("set", "SNOWFLAKE_USER", "george")
    run("set", "SNOWFLAKE_PASSWORD", "hush")
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "the-beatles")
    result = run("show")
    assert result.exit_code == 0
    rows = [line.split("  ") for line in result.output.splitlines()[: len(SETTINGS)]]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert cells == {
        "SEMATIC_API_ADDRESS": ["(not set)"],
        "SEMATIC_API_KEY": ["(not set)"],
        "SEMATIC_DATABASE_URL": [f"sqlite:///{directory}/sematic.db", "default"],
        "SEMATIC_ARTIFACTS_URI": [f"{directory}/artifacts", "default"],
        "SEMATIC_LEASE_SECONDS": ["30", "default"],
        "SEMATIC_PROGRESS": ["auto", "default"],
        "SNOWFLAKE_USER": ["george", "file"],
        "SNOWFLAKE_PASSWORD": ["**********", "file"],
        "SNOWFLAKE_ACCOUNT": ["the-beatles", "environment"],
    }
    assert f"Settings file: {directory}/settings.yaml" in result.output


@pytest.mark.usefixtures("directory")
def test_a_variable_that_hides_the_file_is_told(monkeypatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_USER", "ringo")
    result = run("set", "SNOWFLAKE_USER", "george")
    assert "The environment variable SNOWFLAKE_USER is set; it takes precedence" in result.output


def test_help_describes_every_setting() -> None:
    for command in ("set", "delete"):
        output = " ".join(run(command, "--help").output.split())
        assert all(setting.name in output for setting in SETTINGS)
        assert SETTINGS[0].description in output


def test_names_and_values_are_completed() -> None:
    assert completions("set", incomplete="SNOW") == [
        "SNOWFLAKE_USER",
        "SNOWFLAKE_PASSWORD",
        "SNOWFLAKE_ACCOUNT",
    ]
    assert completions("delete", incomplete="sematic_p") == ["SEMATIC_PROGRESS"]
    assert completions("set", "SEMATIC_PROGRESS", incomplete="") == ["auto", "plain", "off"]
    assert completions("set", "SNOWFLAKE_USER", incomplete="") == []


def test_it_is_a_group_to_be_added() -> None:
    assert isinstance(settings_group, click.Group)
    assert settings_group.name == "settings"
    assert sorted(settings_group.commands) == ["delete", "set", "show"]


def test_import_is_light() -> None:
    code = (
        "import sys, sematic.cli.settings;"
        "sys.exit(bool({'yaml', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
