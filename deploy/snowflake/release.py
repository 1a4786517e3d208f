"""A version for an account: what every plan about it begins with and says on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...udfs.snowflake.functions import served_functions
from ...udfs.snowflake.names import argument_names, function_name, literal, quote
from ...udfs.snowflake.statements import Release, columns_of
from ..plan import Phase, Plan, Step
from .history import check_alias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...scoring.models import OpenModel
    from .settings import Settings


def release_of(opened: OpenModel) -> Release:
    """Take a version of a registry, with the functions that it has in Snowflake.

    Raises
    ------
    ForesqlError
        If it is a file, which has no version.
    """
    if opened.version is None:
        raise ForesqlError(
            f"{opened.path} is a bundle without a version, and functions in Snowflake are named "
            "after theirs. Publish or import it into a registry, and deploy it from there."
        )
    functions, _ = served_functions(opened.bundle.model)
    certificate = opened.bundle.card.get("certificate")
    classes = opened.bundle.model.outputs.classes
    return Release(
        opened.name,
        opened.version,
        opened.bundle.digest,
        tuple(functions),
        certificate if isinstance(certificate, dict) else {},
        None if classes is None else tuple(classes),
    )


def function_names(release: Release) -> tuple[str, ...]:
    """Name the functions of a version."""
    return tuple(release.name(function) for function in release.functions)


def acting(settings: Settings) -> Iterator[Step]:
    """Take the role that owns the functions, and the warehouse."""
    yield Step(
        what="Act as the role that owns the functions.",
        sql=f"USE ROLE {quote(settings.deployer)}",
        phase=Phase.PREPARE,
    )
    if settings.warehouse is not None:
        yield Step(
            what="Use the warehouse that runs the checks.",
            sql=f"USE WAREHOUSE {quote(settings.warehouse)}",
            phase=Phase.PREPARE,
        )


def alias_guard(settings: Settings, release: Release, alias: str, old: Release | None) -> Step:
    """Stop where the account is not as the plan takes it to be."""
    known = [release.version] if old is None else sorted({old.version, release.version})
    return Step(
        what=f"Stop if {release.model}@{alias} is at another version than {_either(known)}.",
        sql=check_alias(settings, release, alias, known),
        phase=Phase.PREPARE,
    )


def about(release: Release, settings: Settings) -> list[str]:
    """Say of which version a plan is, who runs it and where."""
    return [
        f"Model {release.model}, version {release.version}, bundle sha256 {release.digest}.",
        f"It is {release.certified()}.",
        f"Run by {settings.deployer}; {settings.caller} may call what it makes.",
        f"Versions: {settings.places.models_schema}. Aliases: {settings.places.serving_schema}.",
    ]


def how_to_call(release: Release, alias: str, settings: Settings) -> str:
    """Show a call of the alias's first function."""
    function = release.functions[0]
    name = settings.places.in_serving(function_name(release.model, function.kind, alias=alias))
    columns = [each.name for each in columns_of(function)]
    first = f"f.{quote(argument_names(columns)[0])}"
    if not function.packed:
        more = ", ..." if len(columns) > 1 else ""
        return f"Call it by position: {name}({first}{more}), or by name."
    return (
        f"It has {len(columns)} columns, more than a function takes. They come in one object, "
        f"under the model's names: {name}(OBJECT_CONSTRUCT_KEEP_NULL({literal(columns[0])}, "
        f"{first}, ...))."
    )


def make_plan(title: str, header: Iterable[str], steps: Iterable[Step], settings: Settings) -> Plan:
    """Put steps together, and say on top how they are run."""
    how = (
        "The steps run in order, and the first error ends them: a failed check is an error of "
        "TO_NUMBER that holds the message. By hand, in the folder of the uploaded file: "
        "snow sql --enable-templating NONE -f FILE. Run again, it changes nothing."
    )
    return Plan(title=title, header=(*header, how), steps=tuple(steps), role=settings.deployer)


def _either(versions: list[int]) -> str:
    return " or ".join(map(str, versions))
