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

from dbt.adapters.duckdb.plugins import BasePlugin

from ..errors import RegistrationError, RegistryError
from ..kernels import Scorer
from ..registry import Registry
from .duckdb import register_absent, register_scorer

if TYPE_CHECKING:
    import duckdb


class Plugin(BasePlugin):
    """Registers each configured model when dbt opens the database; all threads see it.

    A model that is not in the registry yet does not stop dbt, since its features must be built
    before it can be trained: its functions then say what is missing when a query calls them.
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

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the models."""
        for name, reference in self._models.items():
            try:
                store = Registry.open(self._registry)
                version = store.resolve(reference)
            except RegistryError as error:
                register_absent(conn, name, str(error))
                continue
            bundle = store.load(version)
            scorer = Scorer(bundle.model, bundle.program)
            register_scorer(conn, scorer, name, version=version.version)
