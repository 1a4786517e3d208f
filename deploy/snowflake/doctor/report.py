"""What a run found, for people and for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .check import Outcome

if TYPE_CHECKING:
    from .check import Result

_TITLES = {
    Outcome.FAILED: "Failed",
    Outcome.NOT_TRIED: "Not tried",
    Outcome.PASSED: "Passed",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all checks, in their order.

    Attributes
    ----------
    results
        One for each check.
    where
        The schema in which things were tried.
    left
        Schemas of an earlier run, which were found and dropped.
    """

    results: tuple[Result, ...]
    where: str
    left: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the account answered otherwise than is relied on."""
        return any(result.outcome is Outcome.FAILED for result in self.results)

    @property
    def summary(self) -> str:
        """How many passed, failed, and were not tried."""
        count = Counter(result.outcome for result in self.results)
        return ", ".join(f"{count[outcome]} {outcome}" for outcome in Outcome)

    def markdown(self) -> str:
        """Write a page: what failed first, with what to do."""
        lines = [
            "# foresql doctor snowflake",
            "",
            f"{self.summary}. Tried in {self.where}, which is dropped again.",
        ]
        if self.left:
            lines.append(f"Dropped what an earlier run left: {', '.join(self.left)}.")
        for outcome, title in _TITLES.items():
            results = [each for each in self.results if each.outcome is outcome]
            if results:
                lines += ["", f"## {title}", "", *_table(results)]
        failures = [each for each in self.results if each.outcome is Outcome.FAILED]
        for each in failures:
            lines += ["", f"### {each.check.name}", "", each.check.means]
        return "\n".join(lines) + "\n"

    def plain(self) -> dict[str, Any]:
        """Give values for JSON."""
        return {
            "failed": self.failed,
            "summary": self.summary,
            "schema": self.where,
            "dropped": list(self.left),
            "checks": [
                {
                    "name": each.check.name,
                    "claim": each.check.claim,
                    "outcome": str(each.outcome),
                    "found": each.found,
                    "what_to_do": each.check.means if each.outcome is Outcome.FAILED else None,
                }
                for each in self.results
            ],
        }


def _table(results: list[Result]) -> list[str]:
    rows = [f"| `{r.check.name}` | {_cell(r.check.claim)} | {_cell(r.found)} |" for r in results]
    return ["| check | what is relied on | found |", "|---|---|---|", *rows]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
