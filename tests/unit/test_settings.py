"""Settings: where they come from, how they are written, and in which directory."""

import logging
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sematic import config_directory as directories
from sematic.errors import SettingsError
from sematic.settings import (
    SETTINGS,
    Secret,
    Settings,
    config_directory,
    delete_setting,
    find_settings,
    get_setting,
    load_settings,
    read_setting,
    set_setting,
    settings_path,
)

SECRET = "across-the-universe"


@pytest.fixture(autouse=True)
def _warnings_anew():
    directories.warn_once.cache_clear()


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Environment of a user with a home directory and nothing in it."""
    return {"HOME": str(tmp_path)}


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch) -> Path:
    """An empty system-wide temporary directory."""
    path = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


def write_file(environ: dict[str, str], text: str | bytes) -> Path:
    path = config_directory(environ) / "settings.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Values and where they come from


def test_defaults(home, tmp_path: Path) -> None:
    assert load_settings(home) == Settings(
        api_address=None,
        api_key=None,
        database_url=f"sqlite:///{tmp_path}/.sematic/sematic.db",
        artifacts_uri=f"{tmp_path}/.sematic/artifacts",
        lease_seconds=30.0,
        progress="auto",
        snowflake_user=None,
        snowflake_password=None,
        snowflake_account=None,
    )


def test_environment_goes_before_file_before_default(home) -> None:
    assert load_settings(home).progress == "auto"
    set_setting("SEMATIC_PROGRESS", "plain", environ=home)
    assert load_settings(home).progress == "plain"
    assert load_settings({**home, "SEMATIC_PROGRESS": "off"}).progress == "off"
    assert load_settings({**home, "SEMATIC_PROGRESS": ""}).progress == "plain"


@pytest.mark.parametrize("text", ["1", "2.5", "30", "86400"])
def test_seconds_are_numbers(home, text: str) -> None:
    set_setting("SEMATIC_LEASE_SECONDS", text, environ=home)
    assert load_settings(home).lease_seconds == float(text)


def test_the_environment_of_the_process_is_the_default(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SEMATIC_CONFIG_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("SNOWFLAKE_USER", "ringo")
    set_setting("SNOWFLAKE_ACCOUNT", "the-beatles")
    assert load_settings().snowflake_user == "ringo"
    assert load_settings().snowflake_account == "the-beatles"
    assert read_setting("SNOWFLAKE_ACCOUNT") == "the-beatles"
    assert delete_setting("SNOWFLAKE_ACCOUNT") is True
    assert config_directory() == tmp_path / "here"


def test_found_settings_tell_their_origin(home) -> None:
    set_setting("SNOWFLAKE_USER", "george", environ=home)
    origins = {
        found.setting.name: (found.origin, found.value)
        for found in find_settings({**home, "SNOWFLAKE_ACCOUNT": "the-beatles"})
    }
    assert origins["SNOWFLAKE_USER"] == ("file", "george")
    assert origins["SNOWFLAKE_ACCOUNT"] == ("environment", "the-beatles")
    assert origins["SEMATIC_PROGRESS"] == ("default", "auto")
    assert origins["SEMATIC_API_KEY"] == ("default", None)


def test_every_setting_is_in_the_table_and_has_an_attribute() -> None:
    attributes = [setting.attribute for setting in SETTINGS]
    assert attributes == list(Settings.__dataclass_fields__)
    assert all(setting.description.endswith(".") for setting in SETTINGS)
    assert all(setting.name == setting.name.upper() for setting in SETTINGS)


def test_one_setting_needs_no_directory(tmp_path: Path) -> None:
    environ = {"SEMATIC_CONFIG_DIR": str(tmp_path / "no" / "where"), "SNOWFLAKE_USER": "george"}
    assert read_setting("SNOWFLAKE_USER", environ) == "george"
    assert read_setting("SNOWFLAKE_ACCOUNT", environ) is None


def test_no_directory_is_needed_where_no_default_is(tmp_path: Path) -> None:
    environ = {
        "SEMATIC_CONFIG_DIR": str(tmp_path / "no" / "where"),
        "SEMATIC_DATABASE_URL": "postgresql://db/sematic",
        "SEMATIC_ARTIFACTS_URI": "s3://bucket/prefix",
    }
    assert load_settings(environ).artifacts_uri == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("SEMATIC_PROGRESS", "loud", "one of auto, plain, off"),
        ("SEMATIC_LEASE_SECONDS", "0.5", "a number of seconds, at least 1"),
        ("SEMATIC_LEASE_SECONDS", "-30", "a number of seconds, at least 1"),
        ("SEMATIC_LEASE_SECONDS", "nan", "a number of seconds, at least 1"),
        ("SEMATIC_LEASE_SECONDS", "a minute", "a number of seconds, at least 1"),
        ("SEMATIC_API_ADDRESS", "localhost:5001", "a URL such as http://127.0.0.1:5001"),
        ("SEMATIC_DATABASE_URL", "sematic.db", "a URL such as postgresql://"),
        ("SEMATIC_DATABASE_URL", "mysql://a/b", "a URL such as postgresql://"),
        ("SEMATIC_DATABASE_URL", "postgresql+psycopg2://a/b", "a URL such as postgresql://"),
        ("SEMATIC_DATABASE_URL", "sqlite:///sematic.db", ".* or sqlite:////absolute/path"),
        ("SEMATIC_ARTIFACTS_URI", "artifacts", "an absolute path or a URI"),
        *(
            ("SEMATIC_ARTIFACTS_URI", uri, "an absolute path or a URI such as s3://bucket/prefix")
            for uri in ("ftp://x", "s4://b", "http://x/y")
        ),
    ],
)
def test_invalid_value_is_refused_wherever_it_is(home, name: str, value: str, form: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is '{re.escape(value)}'; it must be {form}"):
        set_setting(name, value, environ=home)
    with pytest.raises(SettingsError, match=f"is '{re.escape(value)}' \\(from the environment\\)"):
        load_settings({**home, name: value})
    write_file(home, f"version: 1\nsettings:\n  {name}: {value}\n")
    with pytest.raises(SettingsError, match=f"is '{re.escape(value)}' \\(from the file\\)"):
        load_settings(home)
    valid = {
        "SEMATIC_PROGRESS": "off",
        "SEMATIC_LEASE_SECONDS": "30",
        "SEMATIC_DATABASE_URL": "postgres://a/b",
        "SEMATIC_ARTIFACTS_URI": "gs://a/b",
    }
    set_setting(name, valid.get(name, "http://x/y"), environ=home)
    load_settings(home)


@pytest.mark.parametrize("scheme", ["s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file"])
def test_places_that_arrow_knows_are_taken(home, scheme: str) -> None:
    set_setting("SEMATIC_ARTIFACTS_URI", f"{scheme}://a/b", environ=home)
    assert load_settings(home).artifacts_uri == f"{scheme}://a/b"


def test_empty_value_is_refused(home) -> None:
    with pytest.raises(SettingsError, match="it must be a text that is not empty"):
        set_setting("SNOWFLAKE_USER", "", environ=home)


# Secrets


def test_secrets_do_not_show(home) -> None:
    environ = {
        **home,
        "SNOWFLAKE_PASSWORD": SECRET,
        "SEMATIC_API_KEY": SECRET,
        "SEMATIC_DATABASE_URL": f"postgresql://me:{SECRET}@host/db",
        "SEMATIC_ARTIFACTS_URI": f"s3://key:{SECRET}@bucket/prefix",
    }
    settings = load_settings(environ)
    assert settings.snowflake_password is not None
    assert settings.snowflake_password.reveal() == SECRET
    shown = [repr(settings), str(settings.api_key), f"{settings.api_key}", repr(settings.api_key)]
    shown += [found.shown for found in find_settings(environ)]
    shown += [repr(found) for found in find_settings(environ)]
    assert not [text for text in shown if SECRET in text]
    assert settings.api_key == Secret(SECRET)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://me:a@b:c@host/db", "postgresql://me:**********@host/db"),
        ("postgresql://me:a://b@host/db", "postgresql://me:**********@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        (
            "postgresql://host/db?user=me&password=x&a=b",
            "postgresql://host/db?user=me&password=**********&a=b",
        ),
        ("sqlite:////home/me/sematic.db", "sqlite:////home/me/sematic.db"),
    ],
)
def test_passwords_in_urls_are_masked(value: str, shown: str) -> None:
    assert get_setting("SEMATIC_DATABASE_URL").show(value) == shown


@pytest.mark.parametrize("url", ["postgres//me:{}@host", "postgres:/me:{}@host", "me:{}@host/db"])
def test_refused_password_is_not_in_the_error(home, url: str) -> None:
    with pytest.raises(SettingsError, match="SEMATIC_DATABASE_URL is") as caught:
        load_settings({**home, "SEMATIC_DATABASE_URL": url.format(SECRET)})
    assert SECRET not in str(caught.value)


# The file


def test_file_is_private_and_readable(home, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        set_setting("SNOWFLAKE_USER", "george", environ=home)
    finally:
        os.umask(before)
    path = settings_path(home)
    assert path == tmp_path / ".sematic" / "settings.yaml"
    assert path.read_text() == "version: 1\nsettings:\n  SNOWFLAKE_USER: george\n"
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert sorted(os.listdir(path.parent)) == ["settings.lock", "settings.yaml"]


def test_delete_takes_one_setting_out(home) -> None:
    set_setting("SNOWFLAKE_USER", "george", environ=home)
    set_setting("SNOWFLAKE_ACCOUNT", "the-beatles", environ=home)
    assert delete_setting("SNOWFLAKE_USER", environ=home) is True
    assert delete_setting("SNOWFLAKE_USER", environ=home) is False
    assert load_settings(home).snowflake_user is None
    assert load_settings(home).snowflake_account == "the-beatles"


def test_unknown_names_are_refused_with_the_known_ones(home) -> None:
    with pytest.raises(SettingsError) as caught:
        set_setting("FOO", "bar", environ=home)
    assert str(caught.value).startswith("Invalid settings key: FOO! Available keys:\n")
    with pytest.raises(SettingsError, match=r"Did you mean 'SEMATIC_PROGRESS'\? Available keys:\n"):
        set_setting("sematic_progres", "off", environ=home)
    assert all(setting.name in str(caught.value) for setting in SETTINGS)
    for refused in (delete_setting, read_setting):
        with pytest.raises(SettingsError, match="Invalid settings key: FOO!"):
            refused("FOO")


def test_unknown_names_in_the_file_are_warned_of_once_kept_and_can_be_deleted(home, caplog) -> None:
    path = write_file(home, "version: 1\nsettings:\n  FOO: bar\n")
    with caplog.at_level(logging.WARNING):
        load_settings(home)
        load_settings(home)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} has keys that this version of sematic does not know; they are ignored: FOO."
    ]
    set_setting("SNOWFLAKE_USER", "george", environ=home)
    assert "FOO: bar" in path.read_text()
    assert delete_setting("FOO", environ=home) is True
    assert "FOO" not in path.read_text()


def test_file_of_the_original_sematic_is_left_alone(home, caplog) -> None:
    text = "version: 1\nprofiles:\n  default:\n    settings: {}\n"
    path = write_file(home, text)
    with caplog.at_level(logging.WARNING):
        assert load_settings(home).snowflake_user is None
    assert "does not know; they are ignored: profiles." in caplog.text
    with pytest.raises(SettingsError, match=r"another version of Sematic: profiles\. Move the"):
        set_setting("SNOWFLAKE_USER", "george", environ=home)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "0123",
        "yes",
        "null",
        "1e3",
        "2001-01-01",
        "~",
        "#x",
        " a ",
        "'",
        "\udc80",
        "\x85\0\U0001f600",
    ],
)
def test_values_are_texts_whatever_yaml_makes_of_them(home, text: str) -> None:
    set_setting("SNOWFLAKE_PASSWORD", text, environ=home)
    assert read_setting("SNOWFLAKE_PASSWORD", home) == text


def test_values_typed_by_hand_are_texts(home) -> None:
    write_file(home, "settings:\n  SNOWFLAKE_PASSWORD: 0123\n  SNOWFLAKE_USER: yes\n")
    assert read_setting("SNOWFLAKE_PASSWORD", home) == "0123"
    assert read_setting("SNOWFLAKE_USER", home) == "yes"


@given(text=st.text(st.characters(), min_size=1))
@hypothesis_settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_text_survives_the_file(home, text: str) -> None:
    set_setting("SNOWFLAKE_PASSWORD", text, environ=home)
    assert read_setting("SNOWFLAKE_PASSWORD", home) == text


@pytest.mark.parametrize(
    "text", ["", "\n", "version: 1\n", "version: 1\nsettings:\n", "settings: {}\n", "# nothing\n"]
)
def test_file_with_nothing_in_it_sets_nothing(home, text: str) -> None:
    write_file(home, text)
    assert load_settings(home).progress == "auto"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nsettings:\n  A: [1\n", "settings.yaml, line 4, column 1: this is not valid"),
        ("settings:\n  A: b\n c: d\n", "settings.yaml, line 3, column 2: this is not valid YAML"),
        ("a: \x00", "this is not valid YAML"),
        (b"a: \xff", "it is not UTF-8 text"),
        ("- a\n", "must hold the line 'version: 1', the line 'settings:' and"),
        ("settings: george\n", "must hold the line 'version: 1', the line 'settings:' and"),
        ("settings:\n  SNOWFLAKE_USER: [a]\n", "the value of SNOWFLAKE_USER must be a text"),
        ("version: 2\n", "has the version '2', which this version of sematic cannot read"),
    ],
)
def test_malformed_file_is_an_error_that_says_where(home, text, message: str) -> None:
    path = write_file(home, text)
    before = path.read_bytes()
    for use in (load_settings, lambda e: set_setting("SNOWFLAKE_USER", "x", environ=e)):
        with pytest.raises(SettingsError, match=message) as caught:
            use(home)
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_failed_write_leaves_the_old_file(home, monkeypatch) -> None:
    set_setting("SNOWFLAKE_USER", "george", environ=home)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(SettingsError, match=r"Cannot write .*No space left on device"):
            set_setting("SNOWFLAKE_USER", "ringo", environ=home)
    assert read_setting("SNOWFLAKE_USER", home) == "george"
    assert sorted(os.listdir(settings_path(home).parent)) == ["settings.lock", "settings.yaml"]


def test_a_link_to_a_file_elsewhere_stays_a_link(home, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.yaml"
    kept.write_text("version: 1\nsettings: {SNOWFLAKE_USER: george}\n")
    (config_directory(home) / "settings.yaml").symlink_to(kept)
    set_setting("SNOWFLAKE_ACCOUNT", "the-beatles", environ=home)
    assert settings_path(home).is_symlink()
    assert "the-beatles" in kept.read_text()


WRITER = """
import sys
from sematic.settings import set_setting
for i in range(15):
    set_setting(sys.argv[1], f"v{i}")
"""


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    names = ["SNOWFLAKE_USER", "SNOWFLAKE_PASSWORD", "SNOWFLAKE_ACCOUNT", "SEMATIC_API_KEY"]
    environ = {**os.environ, "SEMATIC_CONFIG_DIR": str(tmp_path), "PYTHONPATH": os.getcwd()}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name], env=environ) for name in names
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * len(names)
    found = {name: read_setting(name, {"SEMATIC_CONFIG_DIR": str(tmp_path)}) for name in names}
    assert found == dict.fromkeys(names, "v14")


# The directory


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (None, ".sematic"),
        ("", ".sematic"),
        ("mine", "mine"),
        ("~/mine", "mine"),
        ("/{home}/absolute", "absolute"),
    ],
)
def test_directory_is_in_home_or_where_the_variable_says(
    home, tmp_path: Path, variable: str | None, expected: str
) -> None:
    if variable is not None:
        home["SEMATIC_CONFIG_DIR"] = variable.replace("/{home}", str(tmp_path))
    assert config_directory(home) == tmp_path / expected
    assert mode(tmp_path / expected) == 0o700


def test_parent_must_exist(home, tmp_path: Path) -> None:
    path = tmp_path / "no" / "where"
    with pytest.raises(ValueError, match="as Sematic config path because") as caught:
        config_directory({**home, "SEMATIC_CONFIG_DIR": str(path)})
    assert str(caught.value).startswith(
        f"Cannot use '{path}' as Sematic config path because '{path.parent}' does not exist. "
    )


def test_file_is_no_directory(home, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "file/below"):
        with pytest.raises(SettingsError, match=r"is not a directory|cannot be created"):
            config_directory({**home, "SEMATIC_CONFIG_DIR": path})


# Where the home directory cannot be used


def test_unusable_home_falls_back_to_a_private_directory_with_one_warning(
    temporary: Path, caplog
) -> None:
    environ = {"HOME": "/nonexistent/home"}
    with caplog.at_level(logging.WARNING):
        found = config_directory(environ)
        assert config_directory(environ) == found
        assert load_settings(environ).artifacts_uri == f"{found}/artifacts"
    assert found.parent == temporary
    assert mode(found) == 0o700
    (record,) = caplog.records
    assert "not permanent" in record.getMessage()
    assert "Set SEMATIC_CONFIG_DIR to a directory" in record.getMessage()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_home_where_nothing_can_be_created_falls_back(temporary: Path) -> None:
    assert config_directory({"HOME": "/proc"}).parent == temporary


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write to every directory")
def test_home_without_write_permission_falls_back(home, tmp_path: Path, temporary: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert config_directory(home).parent == temporary
    finally:
        tmp_path.chmod(0o700)


def test_existing_directory_that_cannot_be_written_to(home, temporary: Path, monkeypatch) -> None:
    set_setting("SNOWFLAKE_USER", "george", environ=home)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, how: not how & os.W_OK and access(path, how))
    assert config_directory(home).parent == temporary
    assert load_settings(home).snowflake_user == "george"
    with pytest.raises(SettingsError, match=r"it cannot be written to\. Set SEMATIC_CONFIG"):
        set_setting("SNOWFLAKE_USER", "ringo", environ=home)
    with pytest.raises(SettingsError, match=r"it cannot be written to\. Set SEMATIC_CONFIG"):
        config_directory({**home, "SEMATIC_CONFIG_DIR": ".sematic"})


def test_settings_are_never_written_to_the_temporary_directory(temporary: Path) -> None:
    with pytest.raises(SettingsError, match="'/nonexistent/home' does not exist"):
        set_setting("SNOWFLAKE_PASSWORD", SECRET, environ={"HOME": "/nonexistent/home"})
    assert list(temporary.iterdir()) == []


def test_prepared_temporary_directories_are_not_trusted(temporary: Path, tmp_path: Path) -> None:
    environ = {"HOME": "/nonexistent/home"}
    trap = temporary / f"sematic-{os.geteuid()}"
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    for prepare, remove in [
        (lambda: trap.symlink_to(target), trap.unlink),
        (lambda: trap.symlink_to(tmp_path / "dangling"), trap.unlink),
        (trap.touch, trap.unlink),
        (lambda: (trap.mkdir(), trap.chmod(0o755)), trap.rmdir),
    ]:
        prepare()
        with pytest.raises(SettingsError, match="not a directory that belongs to you alone"):
            config_directory(environ)
        remove()
    assert config_directory(environ) == trap
    assert list(target.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_temporary_directory_of_somebody_else_is_not_trusted(temporary: Path) -> None:
    trap = temporary / "sematic-0"
    trap.mkdir(mode=0o700)
    os.chown(trap, 65534, 65534)
    with pytest.raises(SettingsError, match="not a directory that belongs to you alone"):
        config_directory({"HOME": "/nonexistent/home"})


def test_user_without_a_home_falls_back(temporary: Path, monkeypatch) -> None:
    import pwd

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert config_directory({}).parent == temporary
    assert load_settings({}).progress == "auto"
    with pytest.raises(SettingsError, match="Cannot find a home directory: HOME is not set"):
        config_directory({"SEMATIC_CONFIG_DIR": "relative"})


# Import weight


def test_settings_load_neither_yaml_nor_pydantic_until_there_is_a_file(tmp_path: Path) -> None:
    code = (
        "import sys; from sematic.settings import load_settings; load_settings();"
        "print(sorted({'yaml', 'pydantic', 'pydantic_settings'} & set(sys.modules)))"
    )
    environ = {**os.environ, "SEMATIC_CONFIG_DIR": str(tmp_path), "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
