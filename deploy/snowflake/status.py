"""What an account has against what the registry says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...registry import Registry
    from .state import AccountFunction, Record, State


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alias is: in the registry, and in the account; None is nowhere."""

    model: str
    alias: str
    registry: int | None
    account: int | None
    deployed_at: object = None
    deployed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that is not as it should be, and what to do about it."""

    kind: str
    model: str
    message: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Status:
    """All aliases, and all that differs."""

    places: tuple[Place, ...]
    drift: tuple[Drift, ...]


def compare_with_registry(state: State, registry: Registry, model: str | None = None) -> Status:
    """Compare an account with the registry.

    An alias of the registry that was never deployed is listed, and no drift.

    Raises
    ------
    RegistryError
        If neither of them knows the model.
    """
    known = {summary.name: summary for summary in registry.models()}
    names = sorted({*known, *state.models}) if model is None else [model]
    if model is not None and model not in {*known, *state.models}:
        raise RegistryError(f"Neither the registry nor the account knows a model {model!r}.")
    places: list[Place] = []
    drift: list[Drift] = []
    for name in names:
        summary = known.get(name)
        aliases = {} if summary is None else {a.lower(): v for a, v in summary.aliases.items()}
        deployed = state.aliases(name)
        for alias in sorted({*aliases, *deployed}):
            record = deployed.get(alias)
            place = Place(name, alias, aliases.get(alias), record.version if record else None)
            if record is not None:
                at = (record.deployed_at, record.deployed_by)
                place = Place(name, alias, place.registry, record.version, *at)
                drift += _alias(state, place, record)
            places.append(place)
        digests = _digests(registry, name) if summary is not None else {}
        drift += _versions(state, name, digests)
        drift += _left_over(state, name)
    return Status(tuple(places), tuple(drift))


def alias_problems(state: State, record: Record) -> Iterator[Drift]:
    """Find functions of an alias that are missing, or call another version than was deployed."""
    label = f"{record.model}@{record.alias}"
    again = f"foresql deploy {record.model}:{record.version} --alias {record.alias} --to snowflake"
    for name in record.of_alias:
        found = list(state.named(state.settings.serving, name))
        if not found:
            yield Drift("missing", record.model, f"{name} of {label} is missing.", again)
        for each in found:
            if each.calls != record.version:
                yield Drift(
                    "mixed",
                    record.model,
                    f"{_call(each)} of {label} is at version {each.calls or 'unknown'}, and "
                    f"version {record.version} was deployed.",
                    again,
                )


def _alias(state: State, place: Place, record: Record) -> Iterator[Drift]:
    if place.registry is None:
        yield Drift(
            "alias",
            place.model,
            f"{place.model}@{place.alias} is at version {place.account} in the account, and the "
            "registry has no such alias.",
            f"foresql promote {place.model}@{place.alias} {place.account}, or foresql undeploy "
            f"{place.model}@{place.alias} --from snowflake",
        )
    elif place.registry != place.account:
        yield Drift(
            "alias",
            place.model,
            f"{place.model}@{place.alias} is at version {place.registry} in the registry, and at "
            f"{place.account} in the account.",
            f"foresql deploy {place.model}@{place.alias} --to snowflake",
        )
    yield from alias_problems(state, record)


def _versions(state: State, model: str, digests: dict[int, str]) -> Iterator[Drift]:
    for version, record in sorted(state.versions(model).items()):
        label = f"{model}:{version}"
        again = f"foresql deploy {label} --to snowflake"
        if version not in digests:
            yield Drift(
                "unknown",
                model,
                f"{label} is in the account, and not in the registry.",
                f"name the registry that it came from (--registry), or drop what is recorded by "
                f"{record.deployed_by}",
            )
        elif record.bundle != digests[version]:
            yield Drift(
                "changed",
                model,
                f"{label} was deployed from another bundle than the registry's "
                f"(sha256 {record.bundle[:12]}… and {digests[version][:12]}…).",
                "name the registry that it came from (--registry)",
            )
        for name in record.of_version:
            found = list(state.named(state.settings.models, name))
            if not found:
                yield Drift("missing", model, f"{name} of {label} is missing.", again)
            for each in found:
                if each.of != (model, version, record.bundle):
                    message = f"{_call(each)} of {label} has another comment than was deployed."
                    yield Drift("changed", model, message, f"drop the function, and {again}")
        if record.stage_path is not None and record.stage_path not in state.files:
            message = f"The file {record.stage_path} of {label} is not on the stage."
            yield Drift("file", model, message, again)


def _left_over(state: State, model: str) -> Iterator[Drift]:
    """Find functions of versions that no record mentions: a deployment did not come to its end."""
    deployed = state.versions(model)
    found = {each.of[1] for each in state.functions if each.of and each.of[0] == model}
    for version in sorted(found - set(deployed)):
        yield Drift(
            "left over",
            model,
            f"Functions of {model}:{version} are there, whose deployment did not come to its end.",
            f"foresql deploy {model}:{version} --to snowflake, or foresql undeploy "
            f"{model}:{version} --from snowflake",
        )


def _digests(registry: Registry, model: str) -> dict[int, str]:
    return {each.version: each.digest for each in registry.versions(model)}


def _call(function: AccountFunction) -> str:
    return f"{function.name}{function.arguments}"
