"""A connection to a Snowflake account, as deploying needs it."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import AccountError
from .account_errors import account_error
from .credentials import find_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

QUERY_TAG = "foresql"


class Session(Protocol):
    """Runs statements in an account, one at a time."""

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement, and give its rows.

        Raises
        ------
        AccountError
            If the account refuses it or cannot be reached; with the statement's first line, the
            account's code and message, and what to do.
        """
        ...

    @property
    def columns(self) -> Sequence[str]:
        """The columns' names of the rows that :meth:`run` gave last."""
        ...

    def upload(self, content: bytes, stage_path: str) -> None:
        """Write a file to a stage; ``stage_path`` is ``@database.schema.stage/folder/file``.

        A file that is there already is left as it is.

        Raises
        ------
        AccountError
            If the account refuses it or cannot be reached.
        """
        ...

    def close(self) -> None:
        """End the session; it is safe to end it twice."""
        ...


class SnowparkSession:
    """A session of Snowpark's; what it raises and shows holds no secret."""

    def __init__(self, snowpark: Any, secrets: Sequence[str] = ()) -> None:
        """Take a session that is open, and what must not be shown."""
        self._snowpark = snowpark
        self._secrets = tuple(secrets)
        self._columns: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show nothing of the connection."""
        return "SnowparkSession()"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names of the rows that :meth:`run` gave last."""
        return self._columns

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement, to the letter, and give its rows."""
        # Through the connection: a data frame of Snowpark's would ask for a query's columns first.
        try:
            with self._snowpark.connection.cursor() as cursor:
                cursor.execute(sql)
                rows = [tuple(row) for row in cursor.fetchall()]
                self._columns = tuple(column.name for column in cursor.description or ())
        except Exception as error:  # noqa: BLE001 - a driver's exception can hold a secret
            raise account_error(error, sql, secrets=self._secrets) from None
        return rows

    def upload(self, content: bytes, stage_path: str) -> None:
        """Write a file to a stage, unless it is there."""
        try:
            self._snowpark.file.put_stream(
                io.BytesIO(content), stage_path, auto_compress=False, overwrite=False
            )
        except Exception as error:  # noqa: BLE001 - a driver's exception can hold a secret
            statement = f"PUT … {stage_path}"
            raise account_error(error, statement, secrets=self._secrets) from None

    def close(self) -> None:
        """End the session; a connection that is gone is as good as closed."""
        with suppress(Exception):
            self._snowpark.close()
        with suppress(Exception):
            self._snowpark.connection.close()


def connect(name: str | None = None, **settings: str | None) -> SnowparkSession:
    """Connect to an account.

    Parameters
    ----------
    name
        A connection of ``connections.toml``.
    **settings
        Parameters of Snowflake's connector that go before the connection's and the environment's,
        such as ``role`` and ``warehouse``; None is none.

    Raises
    ------
    AccountError
        If settings are missing, the package is, or the account refuses.
    """
    credentials = find_credentials(name, **settings)
    try:
        from snowflake.snowpark import Session as Snowpark
    except ImportError:
        message = "Deploying needs Snowflake's package, which is not installed."
        way_out = "pip install 'foresql[snowflake]'; or --dry-run, and run the script elsewhere"
        raise AccountError(message, way_out) from None
    given: dict[str, Any] = dict(credentials.settings)
    given["session_parameters"] = {"QUERY_TAG": QUERY_TAG, **given.get("session_parameters", {})}
    try:
        snowpark = Snowpark.builder.configs(given).create()
    except Exception as error:  # noqa: BLE001 - a driver's exception can hold a secret
        key = credentials.settings.get("private_key_file")
        if key and isinstance(error, (ValueError, TypeError)):
            message = f"The private key {key} cannot be opened."
            way_out = "name a key in PEM (PKCS#8); SNOWFLAKE_PRIVATE_KEY_PASSPHRASE opens its lock"
            raise AccountError(message, way_out) from None
        raise account_error(error, secrets=credentials.secrets) from None
    return SnowparkSession(snowpark, credentials.secrets)
