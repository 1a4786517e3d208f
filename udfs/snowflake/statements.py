"""The statements that create, expose and drop the functions of a version.

A version's functions are written in Python, and never change once they are there. An alias's are
SQL over them, so that a switch replaces one line. Callers need no right to what an SQL function
reads: its owner has it.
Source: https://docs.snowflake.com/en/developer-guide/udf/sql/udf-sql-introduction
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .names import VERSION, argument_names, dollar_quoted, function_name, literal, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .artifact import Artifact
    from .functions import Argument, ServedFunction
    from .names import Places

REPOSITORY = "snowflake.snowpark.pypi_shared_repository"
"""Where Snowflake takes packages of PyPI from; the owner needs SNOWFLAKE.PYPI_REPOSITORY_USER."""
ROW = "ROW"
"""The argument of functions whose columns come in one OBJECT."""
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a model, and what is known of it.

    ``certificate`` is the card's; ``functions`` are in the order in which they are created.
    ``classes`` are a classifier's labels, in the order of its probabilities.
    """

    model: str
    version: int
    digest: str
    functions: tuple[ServedFunction, ...]
    certificate: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    classes: tuple[object, ...] | None = None

    @property
    def label(self) -> str:
        """Name it as a reference does: ``delay:7``."""
        return f"{self.model}:{self.version}"

    def name(self, function: ServedFunction) -> str:
        """Name a function of this version."""
        return function_name(self.model, function.kind, self.version)

    def certified(self) -> str:
        """Say in a sentence what the certificate knows."""
        known = self.certificate
        if not known:
            return "not certified"
        by = ", ".join(known.get("routes") or ())
        reference = known.get("reference", "library")
        largest = float(known.get("largest_difference") or 0)
        return (
            f"certified against the {reference} on {known.get('rows', 0):,} rows by {by}; "
            f"largest difference {largest:.3g}"
        )


def create_versioned(  # noqa: PLR0913 - keyword options of one call
    release: Release,
    function: ServedFunction,
    artifact: Artifact,
    places: Places,
    *,
    is_inline: bool = False,
    repository: str | None = REPOSITORY,
    is_kept: bool = False,
) -> str:
    """Create a function of a version: from the file on the stage, or with its code in its body.

    ``repository`` is where packages come from; None is Snowflake's own channel. ``is_kept`` leaves
    a function that is there as it is: aliases, tasks and dynamic tables may call it.
    """
    from .artifact import PACKAGES, RUNTIME

    packages = ", ".join(map(literal, PACKAGES))
    body = artifact.inline if is_inline else None
    handler = function.entry if body is not None else artifact.handler(function)
    comment = (
        f"foresql {release.label}; bundle sha256:{release.digest}; artifact "
        f"sha256:{artifact.digest}; {release.certified()}"
    )
    name = places.in_models(release.name(function))
    declared = f"{name}{_parameter_list(function)}"
    create = [f"CREATE OR REPLACE SECURE FUNCTION {declared}", "COPY GRANTS"]
    if is_kept:
        create = [f"CREATE SECURE FUNCTION IF NOT EXISTS {declared}"]
    clauses = [
        *create,
        f"RETURNS {function.returns}",
        "LANGUAGE PYTHON",
        "CALLED ON NULL INPUT",
        "IMMUTABLE",
        f"RUNTIME_VERSION = {literal(RUNTIME)}",
    ]
    if repository is not None:
        clauses.append(f"ARTIFACT_REPOSITORY = {repository}")
    clauses.append(f"PACKAGES = ({packages})")
    if body is None:
        clauses.append(f"IMPORTS = ({literal(places.staged(artifact.stage_path))})")
    clauses += [f"HANDLER = {literal(handler)}", f"COMMENT = {literal(comment)}"]
    if body is not None:
        clauses.append(f"AS {_body(body)}")
    return "\n".join(clauses)


def create_alias(release: Release, function: ServedFunction, alias: str, places: Places) -> str:
    """Create an alias's function, or let the one that is there call another version."""
    arguments = ", ".join(quote(name) for name, _ in parameters(function))
    body = f"{_INDENT}{places.in_models(release.name(function))}({arguments})"
    name = places.in_serving(function_name(release.model, function.kind, alias=alias))
    comment = f"foresql {release.model}@{alias} is version {release.version}; {release.certified()}"
    return _sql_function(name, _parameter_list(function), function.returns, comment, body)


def create_version_function(release: Release, alias: str, places: Places) -> str:
    """Create the function that says which version an alias is at."""
    name = places.in_serving(function_name(release.model, VERSION, alias=alias))
    comment = f"foresql: the version that {release.model}@{alias} is at"
    body = f"{_INDENT}{release.version}::NUMBER(38, 0)"
    return _sql_function(name, "()", "NUMBER(38, 0)", comment, body)


def drop_function(reference: str) -> str:
    """Drop a function, if it is there; ``reference`` has its types."""
    return f"DROP FUNCTION IF EXISTS {reference}"


def grant_usage(reference: str, role: str) -> str:
    """Let a role call a function; ``reference`` has its types."""
    return f"GRANT USAGE ON FUNCTION {reference} TO ROLE {quote(role)}"


def versioned_reference(release: Release, function: ServedFunction, places: Places) -> str:
    """Name a version's function with the types of its arguments, as GRANT and DROP want it."""
    return places.in_models(release.name(function)) + signature_of(function)


def alias_reference(release: Release, function: ServedFunction, alias: str, places: Places) -> str:
    """Name an alias's function with the types of its arguments."""
    name = function_name(release.model, function.kind, alias=alias)
    return places.in_serving(name) + signature_of(function)


def version_reference(release: Release, alias: str, places: Places) -> str:
    """Name the function that says which version an alias is at."""
    return places.in_serving(function_name(release.model, VERSION, alias=alias)) + "()"


def parameters(function: ServedFunction) -> tuple[tuple[str, str], ...]:
    """Give the arguments as they are declared, a name and a type each."""
    arguments = function.arguments
    if not function.packed:
        names = argument_names([each.name for each in arguments])
        return tuple(zip(names, (each.type for each in arguments), strict=True))
    level = [(each.name.upper(), each.type) for each in level_of(function)]
    return ((ROW, "OBJECT"), *level)


def signature_of(function: ServedFunction) -> str:
    """Give the types of the arguments, in parentheses."""
    return f"({', '.join(kind.partition('(')[0] for _, kind in parameters(function))})"


def columns_of(function: ServedFunction) -> tuple[Argument, ...]:
    """Give the arguments that are columns of the model."""
    is_level = len(level_of(function))
    return function.arguments[: len(function.arguments) - is_level]


def level_of(function: ServedFunction) -> tuple[Argument, ...]:
    """Give the argument that is a level of confidence, of functions that have one."""
    return function.arguments[-1:] if function.kind == "interval" else ()


def call(name: str, function: ServedFunction, columns: Sequence[str], level: str = "") -> str:
    """Call a function with an expression for each column of the model."""
    given = list(columns)
    if function.packed:
        names = [literal(each.name) for each in columns_of(function)]
        pairs = (f"{name}, {value}" for name, value in zip(names, columns, strict=True))
        given = [f"OBJECT_CONSTRUCT_KEEP_NULL({', '.join(pairs)})"]
    if level_of(function):
        given.append(level)
    return f"{name}({', '.join(given)})"


def _parameter_list(function: ServedFunction) -> str:
    declared = [f"{_INDENT}{quote(name)} {kind}" for name, kind in parameters(function)]
    return "(\n" + ",\n".join(declared) + "\n)"


def _sql_function(name: str, arguments: str, returns: str, comment: str, body: str) -> str:
    return "\n".join(
        [
            f"CREATE OR REPLACE FUNCTION {name}{arguments}",
            "COPY GRANTS",
            f"RETURNS {returns}",
            "LANGUAGE SQL",
            "IMMUTABLE",
            f"COMMENT = {literal(comment)}",
            f"AS {_body(body)}",
        ]
    )


def _body(text: str) -> str:
    """Quote a body; a name in it may hold two dollar signs."""
    return literal(text) if "$$" in text else dollar_quoted(text)
