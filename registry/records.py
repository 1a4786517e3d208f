"""What the registry remembers, as small immutable JSON files."""

from __future__ import annotations

import getpass
import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


Digest: TypeAlias = str
"""A sha256 as 64 hexadecimal digits."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Reason(StrEnum):
    """Why an alias moved."""

    PUBLISH = "publish"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Version:
    """One published version of a model; ``digest`` names its bundle."""

    name: str
    version: int
    digest: Digest
    created_at: datetime
    created_by: str
    description: str

    @property
    def reference(self) -> str:
        """The frozen reference: ``name:version``."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One move of an alias to a version; the latest says where it is."""

    name: str
    alias: str
    sequence: int
    version: int
    moved_at: datetime
    moved_by: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model's versions, ascending, and the version that each alias is at."""

    name: str
    versions: tuple[int, ...]
    aliases: Mapping[str, int]


Record = TypeVar("Record", Version, AliasMove)


def encode_record(record: Version | AliasMove) -> bytes:
    """Write a record as the content of its file."""
    return json.dumps(asdict(record), default=datetime.isoformat, indent=1).encode() + b"\n"


def decode_record(kind: type[Record], path: Path) -> Record:
    """Read a record's file.

    Raises
    ------
    RegistryError
        If it is not what :func:`encode_record` writes, or not there.
    """
    annotations = {field.name: str(field.type) for field in fields(kind)}
    try:
        values = json.loads(path.read_bytes())
        members = set(values) if isinstance(values, dict) else set[str]()
        wrong = members ^ set(annotations)
        if not wrong:
            return kind(**{name: _DECODERS[annotations[name]](v) for name, v in values.items()})
    except OSError as error:
        raise RegistryError(f"The record {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    raise damaged(path, f"it has too few or too many members: {', '.join(sorted(wrong))}")


def damaged(path: Path, problem: object) -> RegistryError:
    """Give the error for a record that is not as it was written."""
    return RegistryError(
        f"The record {path} is damaged: {problem}.\n"
        "  What to do: copy this file back from a backup of the registry."
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004 - the file is wrong, no caller
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no positive integer")
    return value


def _digest(value: object) -> str:
    if not _DIGEST.fullmatch(_text(value)):
        raise ValueError(f"{value!r} is no sha256")
    return _text(value)


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(_text(value))
    if time.tzinfo is None:
        raise ValueError(f"{value!r} names no time zone")
    return time


_DECODERS: Mapping[str, Callable[[object], Any]] = {
    "str": _text,
    "int": _number,
    "Digest": _digest,
    "datetime": _time,
    "Reason": lambda value: Reason(_text(value)),
}


def current_user() -> str:
    """Name who is running this process, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a number without a name
        return "unknown"


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)
