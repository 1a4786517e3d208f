"""Where in an account foresql works, and as whom."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

from ...errors import ForesqlError
from ...udfs.snowflake.names import Places, stored_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Stored names; what users write in SQL goes through :meth:`named`.

    Attributes
    ----------
    database, models, serving, stage
        See :class:`~...udfs.snowflake.names.Places`.
    history
        The table of deployments, in ``models``.
    deployer, caller, operator
        The three roles.
    warehouse
        What runs the checks; None for the connection's own.
    """

    database: str = "FORESQL"
    models: str = "MODELS"
    serving: str = "SERVING"
    stage: str = "BUNDLES"
    history: str = "DEPLOYMENTS"
    deployer: str = "FORESQL_DEPLOYER"
    caller: str = "FORESQL_CALLER"
    operator: str = "FORESQL_OPERATOR"
    warehouse: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would be one thing under two names."""
        if self.models == self.serving:
            raise ForesqlError(
                f"Versions and aliases cannot share the schema {self.models!r}: callers would see "
                "both. Name two schemas."
            )
        if len({self.deployer, self.caller, self.operator}) < len(("deployer", "caller", "op")):
            raise ForesqlError(
                "Deployer, caller and operator are three roles, each with its own rights. "
                "Give three names."
            )

    @classmethod
    def named(cls, **written: str | None) -> Self:
        """Take names as users write them in SQL; None is the default.

        Raises
        ------
        ForesqlError
            If a name is none, or there is no such setting.
        """
        known = [each.name for each in fields(cls)]
        for name in written:
            if name not in known:
                raise ForesqlError(f"There is no setting {name!r}. There is: {', '.join(known)}.")
        given = {key: stored_name(name) for key, name in written.items() if name is not None}
        return cls(**given)

    @property
    def places(self) -> Places:
        """Where things are."""
        return Places(
            database=self.database, models=self.models, serving=self.serving, stage=self.stage
        )

    @property
    def history_table(self) -> str:
        """The table of deployments, qualified and quoted."""
        return self.places.in_models(self.history)
