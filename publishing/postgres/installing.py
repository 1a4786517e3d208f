"""Functions into a schema: a version's before it is published, and what readers call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...errors import PublishingError
from ..catalogue import FUNCTIONS
from ..warehouse import CATALOGUE
from .callers import (
    create_caller,
    create_row_caller,
    create_version,
    create_version_lookup,
    version_name,
)
from .functions import VersionFunction
from .loading import existing_columns
from .session import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .functions import PostgresModel
    from .session import Session

    Rows = Sequence[tuple[str, str]]


class Installer:
    """Makes the functions of one schema; ``stamp`` marks what this publication made."""

    def __init__(self, session: Session, schema: str, stamp: str) -> None:
        """Remember the functions that are there and ours."""
        self._session = session
        self._schema = schema
        self._stamp = stamp

    def needs_preparing(self, model: PostgresModel) -> bool:
        """Whether readers call this function already, and do not know the version yet."""
        known = {each.version for each in self._versions(model)}
        return bool(known) and model.version not in known

    def prepare(self, model: PostgresModel) -> None:
        """Make a version's functions, and let callers know them; readers still get the old ones."""
        self._install(model, self._row_types(model), is_new=False)

    def publish(self, model: PostgresModel, tables: Rows) -> None:
        """Make what readers call, by values and by rows of ``tables``, and drop what is old."""
        # Rows of tables that are not published this time are still asked about.
        places = list(dict.fromkeys([*tables, *self._row_types(model)]))
        self._install(model, places, is_new=True)
        self._drop_old(model)

    def _install(self, model: PostgresModel, places: Rows, *, is_new: bool) -> None:
        earlier = self._versions(model)
        for function, body in model.functions:
            self._our_mark(f"{quoted(self._schema)}.{quoted(function.name)}({function.types})")
            self._run(create_version(self._schema, function, body))
        lookup = version_name(model.served.function)
        self._our_mark(f"{quoted(self._schema)}.{quoted(lookup)}()")
        self._run(create_version_lookup(self._schema, model.served.function, self._stamp))
        tables = {row: existing_columns(self._session, *row) or {} for row in places}
        for function, _ in model.functions:
            before = [
                each
                for each in earlier
                if each.kind == function.kind and each.version != model.version
            ]
            self._install_callers([function, *before], tables, is_new=is_new)

    def _install_callers(
        self,
        functions: list[VersionFunction],
        tables: Mapping[tuple[str, str], dict[str, str]],
        *,
        is_new: bool,
    ) -> None:
        callers = list(create_caller(self._schema, functions, self._stamp))
        for row, columns in tables.items():
            caller = create_row_caller(self._schema, functions, row, columns, self._stamp)
            if caller is not None:
                callers.append(caller)
        for signature, shape, statements in callers:
            mark = self._our_mark(signature)
            is_other = mark is not None and mark.get("shape") != shape
            if is_other and is_new:
                self._session.run(f"DROP FUNCTION {signature}")
            if is_new or not is_other:
                self._run(statements)

    def _run(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._session.run(statement)

    def _marked(self) -> list[tuple[str, dict[str, Any]]]:
        """List our functions of the schema: signature, and what the comment keeps."""
        found = self._session.rows(
            "SELECT p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc') "
            "FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace(%s)",
            [quoted(self._schema)],
        )
        return [(signature, mark) for signature, text in found if (mark := _mark_in(text))]

    def _versions(self, model: PostgresModel) -> list[VersionFunction]:
        """List the functions of the version that is published now, and of the one before it."""
        found = [
            VersionFunction.read(mark)
            for _, mark in self._marked()
            if "version" in mark and mark["function"] == model.served.function
        ]
        return sorted(found, key=lambda each: (-each.version, each.name))

    def _row_types(self, model: PostgresModel) -> Rows:
        """List the tables whose rows readers call the function with."""
        return [
            (schema, name)
            for schema, name in self._session.rows(
                "SELECT DISTINCT n.nspname, c.relname FROM pg_proc AS p "
                "JOIN pg_type AS t ON t.oid = ANY (p.proargtypes) AND t.typtype = 'c' "
                "JOIN pg_class AS c ON c.oid = t.typrelid "
                "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
                "WHERE p.pronamespace = to_regnamespace(%s) AND p.proname = ANY (%s)",
                [quoted(self._schema), [function.called for function, _ in model.functions]],
            )
        ]

    def _our_mark(self, signature: str) -> dict[str, Any] | None:
        """Give what our function's comment keeps; None where there is no function."""
        found = self._session.rows(
            "SELECT obj_description(oid, 'pg_proc') FROM pg_proc WHERE oid = to_regprocedure(%s)",
            [signature],
        )
        mark = _mark_in(found[0][0]) if found else None
        if found and mark is None:
            message = (
                f"The function {signature} is there, and was not published by foresql.\n"
                "  What to do: choose another --schema, or another name: --models "
                "predict_other=delay@champion."
            )
            raise PublishingError(message)
        return mark

    def _drop_old(self, model: PostgresModel) -> None:
        """Drop versions but the one that was there before, and callers that nobody made anew."""
        function = model.served.function
        before = self._published_before(function)
        for signature, mark in self._marked():
            if mark["function"] != function:
                continue
            if "version" in mark:
                # Published again, a version keeps the one before it.
                is_old = before not in {None, model.version, mark["version"]}
                is_old = is_old and mark["version"] != model.version
            else:
                is_old = mark["stamp"] != self._stamp
            if is_old:
                self._session.run(f"DROP FUNCTION {signature}")

    def _published_before(self, function: str) -> int | None:
        found = self._session.rows(
            f"SELECT model_version FROM {CATALOGUE}.{FUNCTIONS} "
            "WHERE schema_name = %s AND function_name = %s",
            [self._schema, function],
        )
        return found[0][0] if found else None


def _mark_in(comment: str | None) -> dict[str, Any] | None:
    """Read the mark in a function's comment; None where it is none of ours."""
    try:
        mark = json.loads(comment or "")
    except ValueError:
        return None
    is_ours = isinstance(mark, dict) and "function" in mark and {"version", "stamp"} & set(mark)
    return mark if is_ours else None
