"""A folder of numbered records, each written once: ``000001.json``, ``000002.json``, ..."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RegistryError
from .atomic import make_folder, publish_file

if TYPE_CHECKING:
    from pathlib import Path

_FILE = re.compile(r"\d{6,}\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Journal:
    """The folder ``root / parts``; it need not exist before the first record is appended."""

    root: Path
    parts: tuple[str, ...]

    def numbers(self) -> tuple[int, ...]:
        """List the numbers of all records, ascending; temporary files are none."""
        try:
            names = [path.name for path in self.root.joinpath(*self.parts).iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise RegistryError(f"The registry cannot be read: {error}.") from error
        return tuple(sorted(int(name.split(".")[0]) for name in names if _FILE.fullmatch(name)))

    def file(self, number: int) -> Path:
        """Where a record lies, or would."""
        return self.root.joinpath(*self.parts, f"{number:06d}.json")

    def append(self, number: int, content: bytes) -> None:
        """Write a record.

        Raises
        ------
        FileExistsError
            If the number is taken, by whichever process.
        """
        make_folder(self.root, *self.parts)
        publish_file(self.file(number), content)
