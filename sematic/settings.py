"""Settings of the user: from the environment, from ``settings.yaml``, or defaults, in this order.

``SETTINGS`` is the one table of them; documentation and command line are made from it. The file
is in the config directory and looks like this::

    version: 1
    settings:
      SNOWFLAKE_USER: george

Plain dataclasses, without pydantic: loading takes well under a millisecond where there is no
file, and no pipeline waits for an import that it does not need.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from sematic.config_directory import config_directory, readable_directory
from sematic.credentials import MASK, hide_credentials
from sematic.errors import SettingsError
from sematic.option_names import closest
from sematic.settings_file import change_settings, read_settings, settings_path

__all__ = [
    "SETTINGS",
    "FoundSetting",
    "Secret",
    "Setting",
    "Settings",
    "config_directory",
    "delete_setting",
    "find_settings",
    "get_setting",
    "load_settings",
    "read_setting",
    "readable_directory",
    "set_setting",
    "settings_path",
]

_CONFIG_DIRECTORY = "{config_directory}"


@dataclass(frozen=True)
class Setting:
    """One setting: its name is that of its environment variable.

    Attributes:
        name: in the file and in the environment.
        description: one sentence for people.
        default: value where nothing else is given; ``{config_directory}`` stands for its path.
        secret: whether the value is never shown.
        choices: the only values, if there are only some.
        pattern: regular expression of valid values.
        form: what a valid value looks like, in words.
        number: whether :class:`Settings` has it as a float rather than as a text.
    """

    name: str
    description: str
    default: str | None = None
    secret: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = r"(?s).+"
    form: str = "a text that is not empty"
    number: bool = False

    @property
    def attribute(self) -> str:
        """Name of the attribute of :class:`Settings`."""
        return self.name.removeprefix("SEMATIC_").lower()

    def check(self, value: str, *, origin: str = "") -> str:
        """``value``, if it is valid.

        Raises:
            SettingsError: it is not; the text says what to write.
        """
        valid = value in self.choices if self.choices else re.fullmatch(self.pattern, value)
        if valid:
            return value
        form = f"one of {', '.join(self.choices)}" if self.choices else self.form
        raise SettingsError(f"{self.name} is {self.show(value)!r}{origin}; it must be {form}.")

    def show(self, value: str) -> str:
        """``value`` as people may see it: secrets, and passwords in URLs, are masked."""
        if self.secret:
            return MASK
        return hide_credentials(value)


SETTINGS = (
    Setting(
        "SEMATIC_API_ADDRESS",
        "Address of the Sematic server; none is needed for local runs.",
        pattern=r"https?://[^/\s]+\S*",
        form="a URL such as http://127.0.0.1:5001",
    ),
    Setting("SEMATIC_API_KEY", "Key that the server knows you by.", secret=True),
    Setting(
        "SEMATIC_DATABASE_URL",
        "Database of the record: SQLite or PostgreSQL.",
        default=f"sqlite:///{_CONFIG_DIRECTORY}/sematic.db",
        pattern=r"(?:sqlite:///(?:/|%2F)|postgres(?:ql)?(?:\+psycopg)?://\S).*",
        form="a URL such as postgresql://user:password@host/database or sqlite:////absolute/path",
    ),
    Setting(
        "SEMATIC_ARTIFACTS_URI",
        "Where large artifacts are stored: a directory, or a place such as s3://bucket/prefix.",
        default=f"{_CONFIG_DIRECTORY}/artifacts",
        # What Arrow's file systems know; an import of Arrow would cost more than all settings.
        pattern=r"/.*|(?:file|local|s3|gs|gcs|abfss?|hdfs|viewfs)://\S.*",
        form="an absolute path or a URI such as s3://bucket/prefix (or gs://, abfs://, hdfs://)",
    ),
    Setting(
        "SEMATIC_LEASE_SECONDS",
        "Seconds after which a pipeline run whose driver shows no sign of life counts as lost.",
        default="30",
        pattern=r"[1-9][0-9]{0,4}(\.[0-9]+)?",
        form="a number of seconds, at least 1",
        number=True,
    ),
    Setting(
        "SEMATIC_PROGRESS",
        "What a run shows at the terminal: auto (live if it is one), plain lines, or nothing.",
        default="auto",
        choices=("auto", "plain", "off"),
    ),
    Setting("SNOWFLAKE_USER", "User of SnowflakeTable."),
    Setting("SNOWFLAKE_PASSWORD", "Password of SnowflakeTable.", secret=True),
    Setting("SNOWFLAKE_ACCOUNT", "Account of SnowflakeTable."),
)


@dataclass(frozen=True)
class Secret:
    """A text that does not show itself; :meth:`reveal` gives it."""

    _text: str

    def reveal(self) -> str:
        """The text itself. Never log it, and never put it in a record or a message."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK


@dataclass(frozen=True)
class Settings:
    """All settings, valid; an attribute is named as its setting, without ``SEMATIC_``.

    The URLs are not part of ``repr``, as they may hold passwords.
    """

    api_address: str | None
    api_key: Secret | None
    database_url: str = field(repr=False)
    artifacts_uri: str = field(repr=False)
    lease_seconds: float
    progress: str
    snowflake_user: str | None
    snowflake_password: Secret | None
    snowflake_account: str | None


@dataclass(frozen=True)
class FoundSetting:
    """A setting with the value it has, and where that comes from.

    Attributes:
        setting: its entry in the table.
        value: as text, or ``None`` if it is not set and has no default.
        origin: ``"environment"``, ``"file"`` or ``"default"``.
    """

    setting: Setting
    value: str | None = field(repr=False)
    origin: str

    @property
    def parsed(self) -> str | float | Secret | None:
        """The value as :class:`Settings` has it."""
        if self.value is None:
            return None
        if self.setting.number:
            return float(self.value)
        return Secret(self.value) if self.setting.secret else self.value

    @property
    def shown(self) -> str:
        """The value as people may see it; empty if there is none."""
        return "" if self.value is None else self.setting.show(self.value)


def load_settings(environ: Mapping[str, str] | None = None, *, reading: bool = False) -> Settings:
    """The settings, from ``environ`` (the process's own unless given), the file and defaults.

    An environment variable that is empty counts as not set.

    Args:
        environ: environment variables.
        reading: whether nothing is going to be written: then the config directory may be
            read-only.

    Raises:
        SettingsError: a value is not valid, the file cannot be read, or the config directory is
            needed for a default and cannot be used.
    """
    values = {
        found.setting.attribute: found.parsed for found in find_settings(environ, reading=reading)
    }
    return Settings(**values)  # type: ignore[arg-type]


def find_settings(
    environ: Mapping[str, str] | None = None, *, reading: bool = False
) -> Iterator[FoundSetting]:
    """Each setting of the table with its value; a default is worked out when it is reached.

    Raises:
        SettingsError: as :func:`load_settings`.
    """
    environ = os.environ if environ is None else environ
    in_file = read_settings(environ, known=_names())
    find_directory = readable_directory if reading else config_directory
    directory = cache(lambda: str(find_directory(environ)))
    for setting in SETTINGS:
        found = _find_explicit(setting, environ, in_file)
        if found.value is None and setting.default is not None:
            default = setting.default
            if _CONFIG_DIRECTORY in default:
                default = _fill_in(default, directory())
            found = FoundSetting(setting, default, "default")
        yield found


def _fill_in(default: str, directory: str) -> str:
    """A default with the config directory in it, which may have any name."""
    if "://" not in default:
        return default.replace(_CONFIG_DIRECTORY, directory)
    quoted = directory.replace("%", "%25").replace("?", "%3F")
    return default.replace(_CONFIG_DIRECTORY, quoted)


def read_setting(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """One setting from environment or file, ``None`` if it is in neither; no default.

    Raises:
        SettingsError: there is no such setting, its value is not valid, or the file cannot be
            read.
    """
    environ = os.environ if environ is None else environ
    return _find_explicit(get_setting(name), environ, read_settings(environ, known=_names())).value


def set_setting(name: str, value: str, *, environ: Mapping[str, str] | None = None) -> None:
    """Write a setting to the file, in one step; other writers at the same time lose nothing.

    Raises:
        SettingsError: there is no such setting, the value is not valid, or the file cannot be
            read or written.
    """
    get_setting(name).check(value)
    environ = os.environ if environ is None else environ
    change_settings(environ, lambda values: {**values, name: value})


def delete_setting(name: str, *, environ: Mapping[str, str] | None = None) -> bool:
    """Take a setting out of the file; whether it was there. Unknown ones can be deleted too.

    Raises:
        SettingsError: there is no such setting, in the table or in the file, or the file cannot
            be read or written.
    """
    environ = os.environ if environ is None else environ
    if name not in read_settings(environ):
        get_setting(name)
        return False
    before = change_settings(
        environ, lambda values: {key: values[key] for key in values if key != name}
    )
    return name in before


def get_setting(name: str) -> Setting:
    """The entry of the table.

    Raises:
        SettingsError: there is none; the text lists all names.
    """
    for setting in SETTINGS:
        if setting.name == name:
            return setting
    names = [setting.name for setting in SETTINGS]
    meant = closest(name.upper(), names)
    problem = f"Invalid settings key: {name}! {meant}{' ' if meant else ''}Available keys:"
    raise SettingsError("\n\t".join([problem, *names]))


def _names() -> frozenset[str]:
    return frozenset(setting.name for setting in SETTINGS)


def _find_explicit(
    setting: Setting, environ: Mapping[str, str], in_file: Mapping[str, str]
) -> FoundSetting:
    for origin, values in (("environment", environ), ("file", in_file)):
        value = values.get(setting.name)
        if value:
            setting.check(value, origin=f" (from the {origin})")
            return FoundSetting(setting, value, origin)
    return FoundSetting(setting, None, "default")
