"""Where a version's rows go by the rules, and why a rule cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .rules import ENTITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models import ServedModel
    from ..shelf import Shelf
    from .rules import Rule, Rules


@dataclass(frozen=True, slots=True)
class Route:
    """A rule that holds for one version.

    Attributes
    ----------
    order
        For each column of the other version its place among the first one's.
    key
        The place of the feature that is the key; None where the request names its entity.
    """

    rule: Rule
    served: ServedModel
    order: tuple[int, ...]
    key: int | None


@dataclass(frozen=True, slots=True)
class Routes:
    """What the rules of a model mean for the version that answers now.

    ``others`` are the versions that the aliases meant when this was found out, and ``key`` is the
    place of the feature by which the log tells rows apart.
    """

    rules: Rules
    champion: ServedModel
    others: tuple[ServedModel | None, ...]
    canary: Route | None
    shadow: Route | None
    key: int | None
    problems: tuple[str, ...]

    def hold(self, rules: Rules, champion: ServedModel, shelf: Shelf) -> bool:
        """Whether neither the rules nor the versions are others by now."""
        return (
            self.rules is rules
            and self.champion is champion
            and self.others == _others(rules, champion, shelf)
        )


def find_routes(rules: Rules, champion: ServedModel, shelf: Shelf) -> Routes:
    """Find out what rules mean for a version."""
    others = _others(rules, champion, shelf)
    problems: list[str] = []
    canary = _route(rules.canary, champion, others[0], problems, answers=True)
    shadow = _route(rules.shadow, champion, others[1], problems, answers=False)
    keys = [rule.key for rule in (rules.canary, rules.shadow) if rule and rule.key]
    key = champion.names.index(keys[0]) if keys and keys[0] in champion.kinds else None
    return Routes(rules, champion, others, canary, shadow, key, tuple(problems))


def _others(rules: Rules, champion: ServedModel, shelf: Shelf) -> tuple[ServedModel | None, ...]:
    return tuple(
        None if rule is None else shelf.find(f"{champion.name}@{rule.alias}")
        for rule in (rules.canary, rules.shadow)
    )


def _route(
    rule: Rule | None,
    champion: ServedModel,
    other: ServedModel | None,
    problems: list[str],
    *,
    answers: bool,
) -> Route | None:
    """Give the route of a rule; None where it sends no row elsewhere, for which see ``problems``.

    A version that answers the client must give all that the first one does.
    """
    if rule is None or other is champion:  # a challenger that was promoted answers everything
        return None
    problem = _problem(rule, champion, other, answers=answers)
    if problem is not None or other is None:
        problems.append(f"{champion.name}: {problem}")
        return None
    by_entity = rule.key is None or rule.key == ENTITY
    key = None if by_entity else champion.names.index(rule.key or "")
    return Route(rule, other, tuple(map(champion.names.index, other.kinds)), key)


def _problem(
    rule: Rule, champion: ServedModel, other: ServedModel | None, *, answers: bool
) -> str | None:
    if other is None:
        return f"no version is served as @{rule.alias}"
    columns: Sequence[object] = list(champion.kinds.items())
    for pair in other.kinds.items():
        if pair not in columns:
            return (
                f"{other.reference} reads {pair[0]!r}, and {champion.reference} does not, or not "
                "as the same type: its requests have no such value"
            )
    if rule.key not in {None, ENTITY, *champion.kinds}:
        return (
            f"the key {rule.key!r} is no feature of {champion.reference}. Where requests name "
            f"their entity themselves, the key is {ENTITY!r}"
        )
    return _difference(champion, other) if answers else None


def _difference(champion: ServedModel, other: ServedModel) -> str | None:
    """Say what the champion's clients get, and would not get from the other version."""
    if other.outputs != champion.outputs or other.answering.classes != champion.answering.classes:
        return f"{other.reference} answers in another form than {champion.reference}"
    for kind in other.omitted:
        if kind not in champion.omitted:
            return f"{other.reference} gives no {kind}, and {champion.reference} does"
    return None
