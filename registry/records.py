"""What the registry remembers, as small immutable JSON files."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from ..errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


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
    digest: str
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
    FileNotFoundError
        If there is none.
    RegistryError
        If it is not what :func:`encode_record` writes.
    """
    try:
        values = json.loads(path.read_bytes())
        annotations = {field.name: str(field.type) for field in fields(kind)}
        if not isinstance(values, dict) or set(values) != set(annotations):
            raise _damaged(path, f"it does not have exactly the members {list(annotations)}")
        return kind(**{name: _DECODERS[annotations[name]](v) for name, v in values.items()})
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def damaged(path: Path, problem: object) -> RegistryError:
    """Give the error for a record that nobody can have written as it is."""
    return RegistryError(
        f"The record {path} is damaged: {problem}.\n"
        "  What to do: copy this file back from a backup of the registry."
    )


def current_user() -> str:
    """Name who is running this process, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a number without a name
        return "unknown"


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)
