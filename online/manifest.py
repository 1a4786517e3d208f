"""What a snapshot says of itself, as JSON; what others wrote is not believed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from ..errors import FeatureError
from .keys import KeyCodec
from .kinds import kind_of, way_out
from .rows import RowCodec
from .view import FeatureView, Missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT, VERSION = "foresql feature snapshot", 1
MOST_BYTES = 2**20
"""The longest manifest that is read."""
MOST_COLUMNS = 2_000
MOST_ROW_BYTES = 2**36
"""The largest snapshot that is read: to check it, all of it is read."""
_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){0,2}", re.ASCII)
_MOST_NAME = 180
_KINDS: Mapping[str, Literal["error", "null", "defaults"]] = {
    "error": "error",
    "null": "null",
    "defaults": "defaults",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A snapshot.

    Attributes
    ----------
    view
        What it has.
    rows
        How many entities.
    place
        Where its rows are: a file beside the manifest, or a key of Redis.
    size, sha256
        Of the file, in bytes; of what stands in Redis, row by row.
    source
        What was read: a database, and a relation or a query.
    """

    view: FeatureView
    rows: int
    place: str
    size: int
    sha256: str
    source: Mapping[str, str]

    def to_json(self) -> bytes:
        """Write it."""
        view, missing = self.view, self.view.missing
        return json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "view": view.name,
                "as_of": view.as_of.astimezone(UTC).isoformat(),
                "keys": list(view.keys),
                "columns": [[name, type_] for name, type_ in view.columns.items()],
                "missing": missing.kind,
                "defaults": {
                    name: None if value is None else text_of(value)
                    for name, value in missing.defaults.items()
                },
                "rows": self.rows,
                "place": self.place,
                "bytes": self.size,
                "sha256": self.sha256,
                "source": dict(self.source),
            },
            indent=1,
            ensure_ascii=False,
        ).encode()


def read_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest, and check all that it says.

    Raises
    ------
    FeatureError
        If it is none, is of a later foresql, or contradicts itself.
    """
    try:
        return _manifest(_loaded(content))
    except (ValueError, TypeError, KeyError, RecursionError, FeatureError) as error:
        reason = f"{error!r} is missing" if isinstance(error, KeyError) else str(error)
        message = f"{where} is no manifest of a snapshot: {reason}"
        raise FeatureError(message) from error


def check_readable(manifest: Manifest) -> bytes:
    """Give what is written of a snapshot, if it can be read again.

    Raises
    ------
    FeatureError
        If it cannot, as one of more rows than are read.
    """
    content = manifest.to_json()
    read_manifest(content, f"What would be written of {manifest.view.name}")
    return content


def check_name(name: str) -> str:
    """Give a view's name in lower case, as DuckDB folds names.

    Raises
    ------
    FeatureError
        If it cannot be a name of files and keys.
    """
    folded = name.lower()
    if len(folded) > _MOST_NAME or not _NAME.fullmatch(folded):
        message = (
            f"{name[:80]!r} cannot be the name of a feature view: it has letters, digits and "
            "underscores, and may stand behind a schema.\n  What to do: name it: --name my_view."
        )
        raise FeatureError(message)
    return folded


def check_columns(columns: Mapping[str, str], keys: Sequence[str], name: str) -> None:
    """Check that a snapshot can keep these columns, and tell rows apart by these keys.

    Raises
    ------
    FeatureError
        For the first column that cannot be kept.
    """
    if len(columns) > MOST_COLUMNS:
        message = f"{name} has {len(columns):,} columns, and a snapshot at most {MOST_COLUMNS:,}."
        raise FeatureError(message)
    for column, type_ in columns.items():
        if kind_of(type_) is None:
            message = (
                f"Column {column!r} of {name} is {type_[:80]}, which a snapshot does not keep bit "
                f"for bit.\n  What to do: {way_out(type_)}, in a view or in --query."
            )
            raise FeatureError(message)
    lacking = [key for key in keys if key not in columns]
    if lacking or not keys or len(set(keys)) < len(keys):
        message = (
            f"The key of {name} is {', '.join(keys) or 'not named'}, and its columns are "
            f"{', '.join(columns)}.\n  What to do: name each key column once: --key COLUMN."
        )
        raise FeatureError(message)
    RowCodec(columns)
    KeyCodec(name, keys, columns)


def read_missing(kind: str, texts: Mapping[str, str | None], view: FeatureView) -> Missing:
    """Read what a missing entity means, for the columns of a view.

    Raises
    ------
    FeatureError
        If a default is of no column, of a key, or not of its column's type.
    """
    meant = _KINDS.get(kind)
    if meant is None:
        message = f"missing is {kind[:40]!r}, and can be error, null or defaults."
        raise FeatureError(message)
    by_name = {column.lower(): column for column in view.columns}
    defaults: dict[str, Any] = {}
    for name, text in texts.items():
        column = by_name.get(name.lower())
        if column is None or column in view.keys:
            what = "no column" if column is None else "a key"
            message = f"The default of {name!r} is of {what} of {view.name}."
            raise FeatureError(message)
        defaults[column] = None if text is None else _parse(text, column, view)
    if defaults and kind != "defaults":
        message = f"{view.name} has defaults, and missing = {kind!r} has none: leave one out."
        raise FeatureError(message)
    return Missing(meant, defaults)


def parse_key(view: FeatureView, texts: Sequence[str]) -> tuple[Any, ...]:
    """Read a key that somebody typed.

    Raises
    ------
    FeatureError
        If there are more or fewer values than key columns, or one is not of its column's type.
    """
    if len(texts) != len(view.keys):
        message = f"The key of {view.name} is {', '.join(view.keys)}: give a value for each."
        raise FeatureError(message)
    return tuple(_parse(text, key, view) for text, key in zip(texts, view.keys, strict=True))


def text_of(value: Any) -> str:
    """Write a value so that its type's ``parse`` gives it back."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return repr(value)
        case datetime():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"  # without an exponent, which is not read
        case _:
            return str(value)


def _parse(text: str, column: str, view: FeatureView) -> Any:
    kind = kind_of(view.columns[column])
    try:
        return kind.parse(text) if kind else None
    except (ValueError, KeyError, OverflowError, ArithmeticError) as error:
        message = (
            f"{column} of {view.name} is {view.columns[column]}, and {text[:80]!r} is no value of "
            "that."
        )
        raise FeatureError(message) from error


def _loaded(content: bytes) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES:,} bytes")
    found = json.loads(content)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError("it is of another format")
    if found.get("version") != VERSION:
        version = f"{found.get('version')!r:.40}"
        raise ValueError(f"it is of version {version}, and this foresql reads {VERSION}")
    return found


def _manifest(found: Mapping[str, Any]) -> Manifest:
    as_of = datetime.fromisoformat(found["as_of"])
    if as_of.tzinfo is None:
        raise ValueError("as_of has no time zone")
    pairs = [(_text(name), _text(type_)) for name, type_ in found["columns"]]
    columns = dict(pairs)
    if len(columns) != len(pairs):
        raise ValueError("two columns have one name")
    keys = tuple(_text(key) for key in found["keys"])
    name = check_name(_text(found["view"]))
    check_columns(columns, keys, name)
    view = FeatureView(name, keys, columns, Missing(), as_of.astimezone(UTC))
    defaults = {_text(k): None if v is None else _text(v) for k, v in found["defaults"].items()}
    missing = read_missing(_text(found["missing"]), defaults, view)
    view = FeatureView(name, keys, columns, missing, view.as_of)
    rows, size = _count(found["rows"]), _count(found["bytes"])
    if size > MOST_ROW_BYTES:
        raise ValueError(f"its rows have {size:,} bytes, and at most {MOST_ROW_BYTES:,} are read")
    if not _SHA256.fullmatch(_text(found["sha256"])):
        raise ValueError("sha256 is none")
    source = {_text(k): _text(v) for k, v in found["source"].items()}
    return Manifest(view, rows, _text(found["place"]), size, found["sha256"], source)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r:.40} is no count")
    return value
