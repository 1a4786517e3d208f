"""Queries that were left as they are: those that are like them are left at once.

That is never wrong, for a query that stays as it is gives its own answer. Tables grow, so each is
looked at again after some times.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .explaining import Explanation
    from .functions import Functions

_LITERAL = re.compile(
    r"""("(?:[^"]|"")*")|'(?:[^']|'')*'|(?<![\w.])\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w.])"""
)
"""Names in quotes, which stay, and what differs between queries of one kind."""
_TIMES = 32
"""How often a query is left for what was found once."""
_MOST = 256
_LIKE = "of a query like this one: "


class Kind(NamedTuple):
    """What a query is left for: its text, or that without literals, and how it is rewritten."""

    text: str
    options: tuple[object, ...]


@dataclass(slots=True)
class _Found:
    explanation: Explanation
    times: int = 0


class Left:
    """The last queries of a connection that stayed as they are, with its functions then."""

    def __init__(self, functions: Functions) -> None:
        """Hold the functions."""
        self._functions = functions
        self._found: OrderedDict[Kind, _Found] = OrderedDict()

    def add(
        self, query: str, options: tuple[object, ...], explanation: Explanation, *, is_clear: bool
    ) -> None:
        """Remember a query; where it clearly scores too few rows, all that are like it too."""
        self._found[Kind(query, options)] = _Found(explanation)
        if is_clear:
            calls = tuple(replace(call, reason=_LIKE + call.reason) for call in explanation.calls)
            found = _Found(replace(explanation, calls=calls))
            self._found[Kind(_shape(query), options)] = found
        while len(self._found) > _MOST:
            self._found.popitem(last=False)

    def find(self, query: str, options: tuple[object, ...]) -> Explanation | None:
        """Say why a query stays as it is; None where that is to be found out."""
        for text in (query, _shape(query)):
            found = self._found.get(Kind(text, options))
            if found is None or not self._functions.may_be_all_of(query):
                continue
            if found.times >= _TIMES:
                self._found.pop(Kind(text, options), None)
                return None
            found.times += 1
            return found.explanation
        return None


def _shape(query: str) -> str:
    """Write a query without its literals."""
    return _LITERAL.sub(lambda found: found[1] or "\0", query)
