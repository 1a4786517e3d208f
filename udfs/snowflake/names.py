"""Names and literals in Snowflake's SQL: what users wrote goes into a text by these alone."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...models_sql import target_of
from ...models_sql.target import PLAIN_NAME, escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_NAME = 255
DEFAULT_ALIAS = "champion"
"""The alias whose functions have no suffix, as in DuckDB."""
KINDS = ("predict", "predict_proba", "explain", "interval")
VERSION = "version"
_QUOTED = re.compile(r'"((?:[^"]|"")+)"')
_PART = re.compile(rf"{PLAIN_NAME.pattern}|{_QUOTED.pattern}")
_RELATION = re.compile(rf"(?:{_PART.pattern})(?:\.(?:{_PART.pattern})){{0,2}}")


def quote(name: str) -> str:
    """Write a stored name as an identifier in double quotes.

    Raises
    ------
    ForesqlError
        If Snowflake takes no such name: an empty one, one with NUL, or one of more than 255
        characters.
    """
    if not name or "\0" in name or len(name) > LONGEST_NAME:
        raise ForesqlError(
            f"{name[:80]!r} is no name in Snowflake: it has 1 to {LONGEST_NAME} characters, and "
            "none of them is NUL. Rename it, and for a column fit the model again."
        )
    return '"' + name.replace('"', '""') + '"'


def stored_name(written: str) -> str:
    """Give the name that Snowflake stores for one written in SQL: upper case, unless quoted.

    Raises
    ------
    ForesqlError
        If the text is neither a plain identifier nor one in double quotes.
    """
    if PLAIN_NAME.fullmatch(written):
        return written.upper()
    found = _QUOTED.fullmatch(written)
    if found is None:
        raise ForesqlError(
            f"{written[:80]!r} is no name in Snowflake: write letters, digits and underscores, or "
            'put it in double quotes, such as "my database".'
        )
    return found[1].replace('""', '"')


def literal(text: str) -> str:
    """Write a text literal.

    Raises
    ------
    ForesqlError
        If the text holds NUL, which no statement carries.
    """
    if "\0" in text:
        raise ForesqlError(f"{text[:80]!r} holds NUL, which no SQL statement can. Remove it.")
    return escaped(text)


def dollar_quoted(text: str) -> str:
    """Write a function's body between double dollar signs.

    Raises
    ------
    ForesqlError
        If the text holds two dollar signs, which would end it.
    """
    if "$$" in text or text.endswith("$"):
        raise ForesqlError(
            "A function's body holds two dollar signs, which would end it. Rename the column or "
            "label that holds them, or deploy the function from the stage (without --inline)."
        )
    return f"$$\n{text}\n$$"


def function_name(
    model: str, kind: str, version: int | None = None, alias: str | None = None
) -> str:
    """Name a function: of a version (``PREDICT_DELAY_V7``), or of an alias.

    The champion's functions have no suffix (``PREDICT_DELAY``), those of other aliases have theirs
    (``PREDICT_DELAY_CHALLENGER``).
    """
    parts = [kind, model]
    if version is not None:
        parts.append(f"v{version}")
    elif alias is not None and alias.lower() != DEFAULT_ALIAS:
        parts.append(alias)
    return "_".join(parts).upper()


def folded(name: str) -> str:
    """Give a name as Snowflake stores it when it is written without quotes, where it can be."""
    return target_of("snowflake").folded(name)


def argument_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Name a function's arguments after columns: in upper case, where that loses nothing.

    So ``predict_delay(origin => f.origin)`` needs no quotes. A name that needs quotes anyway, or
    would become another column's, stays as it is.
    """
    alike = Counter(name.upper() for name in columns)
    return tuple(folded(name) if alike[name.upper()] == 1 else name for name in columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are in an account, as stored names.

    Attributes
    ----------
    database
        The database that holds both schemas.
    models
        The schema of versioned functions, of the stage, and of the history.
    serving
        The schema of alias functions and views: what callers see.
    stage
        The stage of the bundles, in ``models``.
    """

    database: str = "FORESQL"
    models: str = "MODELS"
    serving: str = "SERVING"
    stage: str = "BUNDLES"

    def in_models(self, name: str) -> str:
        """Qualify a name of the schema of versions."""
        return f"{self.models_schema}.{quote(name)}"

    def in_serving(self, name: str) -> str:
        """Qualify a name of the schema of aliases."""
        return f"{self.serving_schema}.{quote(name)}"

    @property
    def models_schema(self) -> str:
        """The schema of versions, qualified."""
        return f"{quote(self.database)}.{quote(self.models)}"

    @property
    def serving_schema(self) -> str:
        """The schema of aliases, qualified."""
        return f"{quote(self.database)}.{quote(self.serving)}"

    def staged(self, path: str = "") -> str:
        """Give the address of a file on the stage, or of the stage itself."""
        stage = f"@{self.in_models(self.stage)}"
        return f"{stage}/{path}" if path else stage


def relation_name(written: str) -> str:
    """Quote the name of a table or view as a user writes it, with up to two qualifiers.

    Raises
    ------
    ForesqlError
        If the text is more, or less, than a name.
    """
    if not _RELATION.fullmatch(written):
        raise ForesqlError(
            f"{written[:80]!r} is no name of a table: write NAME, SCHEMA.NAME or "
            "DATABASE.SCHEMA.NAME, in double quotes where a name needs them."
        )
    parts = [found[0] for found in _PART.finditer(written)]
    return ".".join(quote(stored_name(part)) for part in parts)
