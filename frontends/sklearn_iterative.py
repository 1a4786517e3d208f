"""scikit-learn's IterativeImputer: its fitted regressions, in their order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..ir import steps as s
from .convert import predict

if TYPE_CHECKING:
    from .graph import Graph, Names


def impute_in_turns(imputer: Any, columns: Names, filled: Names, graph: Graph) -> Names:
    """Replace the first guesses in ``filled`` by the predictions of each regression in turn.

    ``columns`` holds the same columns with their gaps. A regression reads what those before it
    gave, and only rows with a gap are asked: the others show it a row without surprises.
    """
    now = list(filled)
    for turn in imputer.imputation_sequence_:
        target = int(turn.feat_idx)
        read = tuple(now[index] for index in turn.neighbor_feat_idx)
        if not hasattr(turn.estimator, "coef_"):
            read = _only_where_missing(columns[target], read, graph)
        outputs = predict(turn.estimator, read, graph)
        if outputs.classes is not None or len(outputs.prediction) != 1:
            raise graph.refuse("its estimator is no regressor", "fit with a regressor")
        low, high = float(imputer._min_value[target]), float(imputer._max_value[target])  # noqa: SLF001
        guess = _clip(outputs.prediction, low, high, graph)
        made = graph.fresh([columns[target]], "imputed")
        now[target] = graph.add(s.Coalesce((columns[target], *guess), made))[0]
    return tuple(now)


def _only_where_missing(target: str, read: Names, graph: Graph) -> Names:
    """Put 0 in place of all values of a row that is not asked."""
    flags = graph.columnwise((target,), "is_missing", s.IsMissing)
    asked = graph.columnwise(flags, "null_if", lambda x, made: s.NullIf(x, made, 0.0, 0.0))
    kept = graph.add(s.Product(asked * len(read) + read, graph.fresh(read, "asked")))
    fills = (0.0,) * len(read)
    return graph.columnwise(kept, "imputed", lambda x, made: s.Impute(x, made, fills))


def _clip(columns: Names, low: float, high: float, graph: Graph) -> Names:
    if math.isinf(low) and math.isinf(high):
        return columns
    return graph.columnwise(columns, "clip", lambda x, made: s.Clip(x, made, low, high))
