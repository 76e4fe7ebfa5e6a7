"""``SnowflakeTable``: a table in Snowflake, read with the official connector when it is asked for.

The connector is an optional extra and loaded on first use. User, password and account are settings
of whoever reads the table: they are no part of the value, and so of no artifact or record.
"""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sematic.credentials import MASK
from sematic.errors import SettingsError, SnowflakeError
from sematic.settings import read_setting

if TYPE_CHECKING:
    import pandas as pd

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NAME = re.compile(r'"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*')
_ALL = -1


@dataclass
class SnowflakeTable:
    """A table in Snowflake.

    Names are read as Snowflake reads them: ``orders`` is the table ``ORDERS``, and ``"orders"``,
    with its quotes, the one whose name is in lower case.

    Attributes:
        database: name of the database.
        table: name of the table, with that of its schema and a dot before it if need be.

    Raises:
        ValueError: one of these is no name of such a thing.
    """

    __module__ = "sematic.types"

    database: str
    table: str

    def __post_init__(self) -> None:
        _quote_names(self.database, most=1, what="database")
        _quote_names(self.table, most=2, what="table")

    def to_df(self, limit: int | None = _ALL) -> "pd.DataFrame":
        """The rows of the table, which travel as Arrow data.

        Args:
            limit: how many rows at most; ``None`` and -1 are all.

        Raises:
            ValueError: another negative limit.
            ImportError: the connector is not installed; says how to.
            SettingsError: user, password or account are not set; says how to.
            SnowflakeError: Snowflake does not answer, or refuses; says why.
        """
        if limit is not None and limit < _ALL:
            raise ValueError(f"limit is {limit}; it must be a number of rows, or -1 for all.")
        query = f"SELECT * FROM {_quote_names(self.table, most=2, what='table')}"
        if limit is not None and limit != _ALL:
            query += f" LIMIT {int(limit)}"
        with self._cursor() as cursor:
            cursor.execute(query)
            frame: pd.DataFrame = cursor.fetch_pandas_all()
        return frame

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        connector = _load_connector()
        password = _setting("SNOWFLAKE_PASSWORD")
        try:
            with connector.connect(
                user=_setting("SNOWFLAKE_USER"),
                password=password,
                account=_setting("SNOWFLAKE_ACCOUNT"),
                database=_unquote(self.database),
            ) as connection:
                yield connection.cursor()
        except connector.errors.Error as error:
            message = f"Cannot read {self.table} of {self.database} in Snowflake: {error}"
            if password in _whole_text(error):  # then nor does the error itself go on
                raise SnowflakeError(message.replace(password, MASK)) from None
            raise SnowflakeError(message) from error


def _quote_names(text: str, *, most: int, what: str) -> str:
    """Names with dots between them, each in quotes: nothing else can be hidden in them."""
    names = []
    rest = text
    while match := _NAME.match(rest):
        names.append(_quote(match[0]))
        rest = rest[match.end() :]
        if not rest.startswith(".") or len(names) == most:
            break
        rest = rest[1:]
    if rest or not names or text.endswith("."):
        form = "a name" if most == 1 else "a name, or a schema's name, a dot and a name"
        raise ValueError(
            f"{text!r} is not the name of a Snowflake {what}. It must be {form}; names with other "
            'characters than letters, digits, "_" and "$" stand in double quotes.'
        )
    return ".".join(names)


def _quote(name: str) -> str:
    return f'"{name.upper()}"' if _PLAIN.fullmatch(name) else name


def _unquote(name: str) -> str:
    """A database as the connector takes it: what needs quotes has them."""
    return name.upper() if _PLAIN.fullmatch(name) else name


def _setting(name: str) -> str:
    value = read_setting(name)
    if value is None:
        raise SettingsError(
            f"{name} is not set, and SnowflakeTable needs it. Set it with:\n\n"
            f"    $ sematic settings set {name} VALUE"
        )
    return value


def _load_connector() -> Any:
    try:
        connector = importlib.import_module("snowflake.connector")
        importlib.import_module("pandas")
    except ImportError as error:
        raise ImportError(
            f"SnowflakeTable needs the Snowflake connector and pandas, and {error.name} is not "
            "installed. Install both with:\n\n    $ pip install 'sematic[snowflake]'"
        ) from error
    return connector


def _whole_text(error: BaseException | None) -> str:
    """What a traceback of an error would show of it and of what caused it."""
    parts = []
    while error is not None:
        parts += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)
