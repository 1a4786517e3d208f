"""Contributions of columns, as an OBJECT a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....kernels.contributions import Explainer
from ...answers import margin_names
from .replies import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ....ir import Model
    from ....kernels.columns import Values


class RowExplainer:
    """Explains batches of one model."""

    def __init__(self, model: Model) -> None:
        """Prepare the sums behind the raw scores."""
        self._columns = model.signature.names
        self._names = margin_names(model)
        self._explainer = Explainer(model)

    def explain(self, values: Values) -> Iterator[Mapping[str, object]]:
        """Give ``base_value`` and ``contributions`` of each row, by class where there are more."""
        found = self._explainer.explain(values)
        parts = [
            [
                {"base_value": base, "contributions": columns}
                for columns in named(self._columns, contributions.T)
            ]
            for base, contributions in zip(found.base.tolist(), found.contributions, strict=True)
        ]
        if len(parts) == 1:
            yield from parts[0]
        else:
            yield from (
                dict(zip(self._names, row, strict=True)) for row in zip(*parts, strict=True)
            )
