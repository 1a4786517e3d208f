"""The dbt-duckdb plugin: models from the registry, as functions of the connection.

In ``profiles.yml``::

    plugins:
      - module: foresql.udfs.dbt
        config:
          registry: "{{ env_var('FORESQL_REGISTRY', 'foresql_registry') }}"
          models:
            predict_delay: "delay@champion"
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from ..errors import BundleError, RegistrationError, RegistryError
from ..kernels import Scorer
from ..registry import Registry
from .duckdb import register_absent, register_scorer
from .duckdb.file import connect_file
from .duckdb.holder import is_locked
from .duckdb.offers import offer
from .offers import catalogue_offer, golden_offer

if TYPE_CHECKING:
    from dbt.adapters.duckdb.credentials import DuckDBCredentials


class DatabaseLockedError(RegistrationError, RuntimeError):
    """Another process has the database open; dbt-duckdb prints a RuntimeError in few lines."""


class Plugin(BasePlugin):
    """Registers each configured model when dbt opens the database; all threads see it.

    A model that is not in the registry yet, or is damaged, does not stop dbt, since its features
    must be built before it can be trained: its functions then say what is missing when a query
    calls them.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Read and check the configuration.

        Raises
        ------
        RegistrationError
            If it lacks ``registry`` or ``models``.
        """
        registry, models = plugin_config.get("registry"), plugin_config.get("models")
        if not isinstance(registry, str) or not isinstance(models, dict):
            message = (
                "The foresql plugin needs config: {registry: <folder>, models: {predict_<name>: "
                '"<model>@<alias>"}} in profiles.yml.'
            )
            raise RegistrationError(message)
        self._registry = Path(registry)
        self._models: dict[str, str] = {str(name): str(model) for name, model in models.items()}

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Tell whoever starts a second run what keeps it out, before dbt opens the database.

        Raises
        ------
        DatabaseLockedError
            If another process has the file open.
        """
        # With retries dbt waits for the other one by itself.
        if not creds.retries and Path(creds.path).is_file():
            refuse_locked(creds.path, config)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the models, and offer the catalogue and the models' golden rows."""
        offer(conn, catalogue_offer(self._registry))
        for name, reference in self._models.items():
            try:
                store = Registry.open(self._registry)
                version = store.resolve(reference)
                bundle = store.load(version)
            except (BundleError, RegistryError) as error:
                register_absent(conn, name, str(error))
                continue
            scorer = Scorer(bundle.model, bundle.program)
            register_scorer(conn, scorer, name, version=version.version)
            offer(conn, golden_offer(name, bundle))


def refuse_locked(path: str, config: dict[str, Any]) -> None:
    """Open a database and close it again, to see whether another process keeps it.

    Raises
    ------
    DatabaseLockedError
        If one does; any other trouble is left to dbt, which opens it next.
    """
    try:
        connect_file(path, config=config).close()
    except duckdb.IOException as error:
        if not is_locked(error):
            return
        message = (
            f"{error}\n"
            "  What it means: another process has the database open, such as a run of dbt, a "
            "notebook or a BI tool; one that writes keeps all others out. Nothing was changed.\n"
            "  What to do: start again when it has ended; what it left stale is scored then. Or "
            "let dbt wait half a minute for it: `retries: {connect_attempts: 5}` in profiles.yml. "
            "Give readers a copy: `foresql publish-serving`."
        )
        raise DatabaseLockedError(message) from error
    except duckdb.Error:
        return
