"""From definitions to a statement: stages that each compute columns of the one before.

A definition that is read once and short stands where it is read. Any other is a column of its own,
in the earliest stage that can compute it, so nothing is computed twice. What is not read is left
out. A stage that reads relations of constants is joined with them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .expressions import unlike

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .builder import Definition
    from .expressions import Expression
    from .target import Target

_SHORT = 240
"""Letters up to which a definition stands where it is read."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A column of the result: its quoted name, and what it is."""

    name: str
    expression: Expression


def lay_out(
    definitions: Mapping[str, Definition],
    selected: list[Selected],
    target: Target,
    source: str,
    relations: Mapping[str, str],
) -> tuple[str, int]:
    """Write the whole query; ``relations`` are queries over constants, by their names.

    Returns
    -------
    query : str
    widest : int
        The most columns that one of its SELECTs has.
    """
    columns, results = _inlined(definitions, selected, target)
    if not columns:
        return _select([f"{each.expression} AS {each.name}" for each in results], source, ""), 0
    levels: dict[str, int] = {}
    for name, expression in columns.items():
        levels[name] = 1 + max((levels[each] for each in expression.refs()), default=-1)
    stages = list(_stages(columns, results, levels))
    widest = max([len(results), *(len(carried) + len(new) for carried, new in stages)])
    written: list[str] = []
    before, prefix = source, unlike("s", re.findall(r"\w+", source))
    for index, (carried, new) in enumerate(stages):
        lines = [", ".join(carried)] if carried else []
        lines += [f"{columns[name]} AS {name}" for name in new]
        joined = _joined(before, (columns[name] for name in new))
        query = _select(lines, joined, "    ")
        before = f"{prefix}{index}"
        written.append(target.stage.replace("{name}", before).replace("{query}", query))
        if index == 0:
            # Behind the only stage that names what is scored, which may be called as they are.
            written += _constants(relations, target)
    joined = _joined(before, (each.expression for each in results))
    final = _select([f"{each.expression} AS {each.name}" for each in results], joined, "")
    return "WITH " + ",\n".join(written) + "\n" + final, widest


def _constants(relations: Mapping[str, str], target: Target) -> Iterator[str]:
    for name, query in relations.items():
        yield target.relation.replace("{name}", name).replace("{query}", query)


def _joined(before: str, expressions: Iterable[Expression]) -> str:
    """Name what a stage reads: the stage before, and relations."""
    keys = {(each.relation, each.key): None for read in expressions for each in read.cells()}
    joined = [before]
    for relation, key in keys:
        if key is None:
            joined.append(f"CROSS JOIN {relation}")
        else:
            joined.append(f"JOIN {relation} ON {before}.{key} = {relation}.k")
    return "\n      ".join(joined)


def _select(lines: list[str], source: str, indent: str) -> str:
    between = f",\n{indent}  "
    return f"{indent}SELECT\n{indent}  {between.join(lines)}\n{indent}FROM {source}"


def _inlined(
    definitions: Mapping[str, Definition], selected: list[Selected], target: Target
) -> tuple[dict[str, Expression], list[Selected]]:
    """Put what is short and read once where it is read, and leave out what is not read."""
    uses = _uses(definitions, selected)
    keys = {
        each.key for definition in definitions.values() for each in definition.expression.cells()
    }
    inside: dict[str, Expression] = {}
    columns: dict[str, Expression] = {}
    for name, definition in definitions.items():
        if not uses[name]:
            continue
        expression = _replaced(definition.expression, inside, columns, target)
        is_apart = definition.is_source or definition.stays or name in keys
        if uses[name] == 1 and not is_apart and expression.size <= _SHORT:
            inside[name] = expression
        else:
            columns[name] = expression
    results = [
        Selected(each.name, _replaced(each.expression, inside, columns, target))
        for each in selected
    ]
    # What did not fit where it is read has become a column after those that read it.
    order = {name: index for index, name in enumerate(definitions)}
    return dict(sorted(columns.items(), key=lambda item: order[item[0]])), results


def _replaced(
    expression: Expression,
    inside: dict[str, Expression],
    columns: dict[str, Expression],
    target: Target,
) -> Expression:
    """Replace references, unless the result is nested too deep: then they become columns."""
    replaced = expression.replaced(inside)
    if replaced.depth <= target.limits.depth and replaced.cases <= target.limits.cases:
        return replaced
    for name in [each for each in expression.refs() if each in inside]:
        columns[name] = inside.pop(name)
    return expression


def _uses(definitions: Mapping[str, Definition], selected: list[Selected]) -> Counter[str]:
    """Count how often each definition is read by what the result needs."""
    uses: Counter[str] = Counter()
    for each in selected:
        uses.update(each.expression.refs())
    for name in reversed([*definitions]):
        if uses[name]:
            uses.update(definitions[name].expression.refs())
    return uses


def _stages(
    columns: Mapping[str, Expression], results: list[Selected], levels: Mapping[str, int]
) -> Iterator[tuple[list[str], list[str]]]:
    """Give, stage by stage, the columns that are carried on and those that are new."""
    last: dict[str, int] = {}
    for name, expression in columns.items():
        for read in expression.refs():
            last[read] = max(last.get(read, 0), levels[name])
    end = max(levels.values(), default=0) + 1
    for result in results:
        last.update(dict.fromkeys(result.expression.refs(), end))
    for level in range(end):
        carried = [name for name in columns if levels[name] < level < last.get(name, 0)]
        yield carried, [name for name in columns if levels[name] == level]
