"""Who connects to which account: options, a named connection, the environment; in that order."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import AccountError
from ...registry.references import suggest

_NAME_VARIABLES = ("SNOWFLAKE_CONNECTION_NAME", "SNOWFLAKE_DEFAULT_CONNECTION_NAME")
_VARIABLES = {
    "account": "SNOWFLAKE_ACCOUNT",
    "user": "SNOWFLAKE_USER",
    "host": "SNOWFLAKE_HOST",
    "role": "SNOWFLAKE_ROLE",
    "warehouse": "SNOWFLAKE_WAREHOUSE",
    "database": "SNOWFLAKE_DATABASE",
    "schema": "SNOWFLAKE_SCHEMA",
}
_PROOFS = {
    "authenticator": "SNOWFLAKE_AUTHENTICATOR",
    "password": "SNOWFLAKE_PASSWORD",
    "private_key_file": "SNOWFLAKE_PRIVATE_KEY_PATH",
    "private_key_file_pwd": "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
    "token": "SNOWFLAKE_TOKEN",
}
# How Snowflake's own tools write the same setting.
_SYNONYMS = {
    "accountname": "account",
    "username": "user",
    "rolename": "role",
    "warehousename": "warehouse",
    "dbname": "database",
    "databasename": "database",
    "schemaname": "schema",
    "private_key_path": "private_key_file",
    "private_key_passphrase": "private_key_file_pwd",
}
# All parameters of the connector that are secrets themselves.
_SECRET = (
    "password",
    "passcode",
    "token",
    "session_token",
    "master_token",
    "private_key",
    "private_key_file_pwd",
    "private_key_passphrase",
    "oauth_client_secret",
    "proxy_password",
)
_WITHOUT_USER = {"OAUTH", "OAUTH_CLIENT_CREDENTIALS", "WORKLOAD_IDENTITY", "NO_AUTH"}
_OTHERS_MAY_WRITE = 0o022


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the connector is given; its text shows no value.

    Attributes
    ----------
    settings
        The connector's parameters.
    secrets
        Values that must never be shown.
    """

    settings: Mapping[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def find_credentials(name: str | None = None, **options: str | None) -> Credentials:
    """Gather the settings of a connection.

    Parameters
    ----------
    name
        A connection of ``connections.toml``; by default what ``SNOWFLAKE_CONNECTION_NAME`` or
        ``SNOWFLAKE_DEFAULT_CONNECTION_NAME`` names, and where neither does, nor an account is
        given, the file's default one.
    **options
        Settings that go before all others; None is none.

    Raises
    ------
    AccountError
        If there is no such connection, or what is needed is missing; the message names it.
    """
    settings = {key: value for key, value in options.items() if value is not None}
    settings = _entry(name, settings) | settings
    variables = dict(_VARIABLES)
    if not any(key in settings for key in (*_PROOFS, "private_key")):
        variables |= _PROOFS
    for key, variable in variables.items():
        if value := os.environ.get(variable):
            settings.setdefault(key, value)
    found = Credentials(settings, tuple(str(settings[key]) for key in _SECRET if settings.get(key)))
    _check(settings)
    return found


def connections_files() -> tuple[Path, Path]:
    """Give the places of ``connections.toml`` and ``config.toml``, where Snowflake's tools look."""
    home = Path(os.environ.get("SNOWFLAKE_HOME") or "~/.snowflake").expanduser()
    if not home.exists():
        user = Path.home()
        if sys.platform == "darwin":
            home = user / "Library" / "Application Support" / "snowflake"
        elif sys.platform == "win32":
            home = Path(os.environ.get("LOCALAPPDATA") or user / "AppData" / "Local") / "snowflake"
        else:
            home = Path(os.environ.get("XDG_CONFIG_HOME") or user / ".config") / "snowflake"
    return home / "connections.toml", home / "config.toml"


def _entry(name: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Read a connection from the file; an unnamed one only where nothing else says an account."""
    named = name or next((os.environ[v] for v in _NAME_VARIABLES if os.environ.get(v)), None)
    if named is None and ("account" in options or os.environ.get("SNOWFLAKE_ACCOUNT")):
        return {}
    connections_file, config_file = connections_files()
    config = _read(config_file)
    connections = _read(connections_file) or config.get("connections", {})
    wanted = named or config.get("default_connection_name", "default")
    entry = connections.get(wanted)
    if isinstance(entry, Mapping):
        return {_SYNONYMS.get(str(key), str(key)): value for key, value in entry.items()}
    if named is None:
        return {}
    message = (
        f"There is no connection {named!r} in {connections_file}. {suggest(named, connections)}"
    )
    raise AccountError(message, "name one that is there: --connection NAME, or add it to the file")


def _read(path: Path) -> dict[str, Any]:
    try:
        if not path.exists():
            return {}
        if sys.platform != "win32" and path.stat().st_mode & _OTHERS_MAY_WRITE:
            message = f"{path} can be written by others, who could send you to another account."
            raise AccountError(message, f"chmod 600 {path}")
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}."
        raise AccountError(message, f"chmod 600 {path}, or use the environment") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        message = f"{path} is no TOML."
        raise AccountError(message, 'mend it; `[name]`, then lines such as account = "…"') from None


def _check(settings: dict[str, Any]) -> None:
    """Name what is missing, before Snowflake is asked."""
    authenticator = str(settings.get("authenticator") or "").upper()
    missing: list[str] = []
    if not settings.get("account"):
        missing.append("account (SNOWFLAKE_ACCOUNT)")
    if not settings.get("user") and authenticator not in _WITHOUT_USER:
        missing.append("user (SNOWFLAKE_USER)")
    keys = [key for key in (*_PROOFS, "private_key") if settings.get(key)]
    if not set(keys) - {"private_key_file_pwd"}:
        missing.append(
            "a proof of identity (SNOWFLAKE_PRIVATE_KEY_PATH for a key pair, SNOWFLAKE_PASSWORD, "
            "SNOWFLAKE_TOKEN, or SNOWFLAKE_AUTHENTICATOR=externalbrowser)"
        )
    if missing:
        connections_file, _ = connections_files()
        message = f"The connection to Snowflake lacks: {'; '.join(missing)}."
        raise AccountError(
            message,
            f"set these variables, or put the connection into {connections_file} and name it with "
            "--connection NAME; without an account: --dry-run",
        )
    _check_proof(settings, authenticator)


def _check_proof(settings: dict[str, Any], authenticator: str) -> None:
    if settings.get("token") and not authenticator:
        message = "A token was given, but not of which kind."
        way_out = "set SNOWFLAKE_AUTHENTICATOR to programmatic_access_token or oauth"
        raise AccountError(message, way_out)
    key = settings.get("private_key_file")
    if not key:
        return
    settings.setdefault("authenticator", "SNOWFLAKE_JWT")
    path = Path(str(key)).expanduser()
    if not path.is_file():
        message = f"The private key {path} is no file."
        raise AccountError(
            message, "name the key in SNOWFLAKE_PRIVATE_KEY_PATH or private_key_file"
        )
    settings["private_key_file"] = str(path)
