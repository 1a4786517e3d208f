"""An endpoint in memory, warm, and the ways in which its rows are answered."""

from __future__ import annotations

import weakref
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ...errors import ForesqlError
from ...ir import ColumnType
from ..datatypes import OF_COLUMN
from ..features import RowFeatures, arrow_schema
from ..row_decoder import RowDecoder
from .columns import own_rows
from .engine import Answered, Engine, Engines
from .outputs import encode
from .routes import row_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ...online import FeatureView, OnlineView
    from ..features import Features
    from ..output_tensors import Output as Tensor
    from ..workers import Workers
    from .definition import Definition
    from .query import EndpointQuery

IN_PLACE_SECONDS = 250e-6
"""What takes no longer is answered in place, as for models."""
_LOOKUP_SECONDS = 25e-6
"""What a lookup may take, which a row of NULLs does not do."""
_WARM_ROUNDS = 5


class ServedEndpoint:
    """One state of an endpoint: its query with certain versions of its models. It never changes."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it is, and what it shares
        self,
        definition: Definition,
        query: EndpointQuery,
        registry: Path,
        views: Mapping[str, OnlineView],
        workers: Workers,
        threads: int,
        observe: Callable[[str, int], None],
    ) -> None:
        """Make the engines, and warm them.

        Raises
        ------
        ForesqlError
            If a model cannot be scored here.
        """
        self.definition, self.query = definition, query
        self.name = definition.name
        self.version = query.pinned.scoring_hash
        self.reference = f"{self.name}:{self.version}"
        self.key = definition.request.key
        self.columns = query.request
        self.kinds = {column.name: column.wire for column in self.columns}
        self.names = list(self.kinds)
        self.is_numeric = set(self.kinds.values()) == {ColumnType.DOUBLE}
        self.schema = arrow_schema(self.kinds)
        self.datatypes = {name: OF_COLUMN[kind] for name, kind in self.kinds.items()}
        self.rows = RowDecoder(self.kinds)
        self.outputs: Mapping[str, Tensor] = {
            output.name: output.tensor for output in query.outputs if output.tensor is not None
        }
        self.models = {v.name: v.version for _, v in query.pinned.functions}
        self._views = {name: views[name] for name in query.views}
        self._own = pa.schema([(column.name, column.arrow) for column in self.columns])
        self._route = row_program(query, registry)
        self._workers, self._observe = workers, observe
        engines = [Engine(query, registry, self._views) for _ in range(threads)]
        self.in_place_rows, self.few_rows = self._warm(engines)
        self._engines = Engines(engines)
        # Requests that are under way hold it: behind the last of them its connections are closed.
        weakref.finalize(self, self._engines.close)

    @property
    def route(self) -> str:
        """Which way few rows are answered: row by row, or by DuckDB."""
        return self._route.route

    @property
    def why_duckdb(self) -> str | None:
        """Why only DuckDB answers, or None."""
        return self._route.why_duckdb

    @property
    def current_views(self) -> dict[str, FeatureView]:
        """The feature views that it reads, as they are now."""
        return {name: online.view for name, online in self._views.items()}

    @property
    def has_local_views(self) -> bool:
        """Whether all features lie on this machine, so that they can be read whatever happens."""
        return all(view.is_local for view in self._views.values())

    async def score(self, features: Features) -> Answered:
        """Answer rows: few ones row by row, here and now where that is quick; many by DuckDB.

        Raises
        ------
        ForesqlError
            If a row is not of the columns' types, an entity is missing, or a row is refused.
        Refusal
            If too many wait.
        """
        rows = features.rows
        if rows <= self.in_place_rows:
            return self.answer_by_rows(features)
        self._observe(self.name, rows)
        answer = self.answer_by_rows if rows <= self.few_rows else self.answer
        return await self._workers.run(lambda: answer(features))

    def answer_by_rows(self, features: Features) -> Answered:
        """Answer rows one by one, without DuckDB."""
        program, places = self._route.program, self._route.places
        if program is None:
            return self.answer(features)
        as_of = {name: online.view.as_of for name, online in self._views.items()}
        rows = own_rows(self.columns, list(features.tuples()))
        found = program.numbered(rows, self._views)
        values = [tuple([row[place] for place in places]) for _, row in found]
        return Answered([number for number, _ in found], values, as_of)

    def answer(self, features: Features) -> Answered:
        """Answer rows by DuckDB, in the thread that asks."""
        batch = features.batch()
        arrays = [
            column.array(values) for column, values in zip(self.columns, batch.columns, strict=True)
        ]
        return self._engines.run(pa.RecordBatch.from_arrays(arrays, schema=self._own))

    def encode(
        self, answers: Answered, wanted: Mapping[str, bool]
    ) -> tuple[list[dict[str, Any]], list[bytes]]:
        """Give the answers as tensors, and the bytes of those that go behind JSON."""
        return encode(self.query.outputs, answers.values, wanted)

    def notes(self, answers: Answered) -> dict[str, str]:
        """Say beside tensors which models answered, and of which rows; parameters are texts."""
        as_of = {f"as_of.{name}": moment.isoformat() for name, moment in answers.as_of.items()}
        models = ",".join(self.query.pinned.references)
        return {"models": models, "rows": ",".join(map(str, answers.rows)), **as_of}

    def _warm(self, engines: Iterable[Engine]) -> tuple[int, int]:
        """Run both ways over a row of NULLs, and tell for how many rows each is the quicker one.

        The clock decides which way rows go, and never what they are answered.
        """
        row = pa.RecordBatch.from_arrays(
            [pa.nulls(1, field.type) for field in self._own], schema=self._own
        )
        slowest = 0.0
        for engine in engines:
            started = perf_counter()
            with suppress(ForesqlError):  # the library refuses the row; what it loads is loaded now
                engine.run(row)
            slowest = perf_counter() - started
        if self._route.program is None:
            return 0, 0
        fastest = _LOOKUP_SECONDS * len(self.query.joined) + self._seconds_a_row()
        is_local = all(online.is_local for online in self._views.values())
        return int(IN_PLACE_SECONDS / fastest) if is_local else 0, int(slowest / fastest)

    def _seconds_a_row(self) -> float:
        features = RowFeatures(self.schema, [(None,) * len(self.columns)])
        fastest = IN_PLACE_SECONDS
        for _ in range(_WARM_ROUNDS):
            started = perf_counter()
            with suppress(ForesqlError):
                self.answer_by_rows(features)
            fastest = min(fastest, perf_counter() - started)
        return fastest
