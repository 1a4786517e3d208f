"""The rules that hold now: the file is read again when it changes, unless it is broken."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ..watching import stamp
from .rules import read_rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .rules import Rules

_LOG = logging.getLogger("foresql.serving")


class RuleBook:
    """Rules by the names of models. Requests read them; one thread calls :meth:`reload`."""

    def __init__(self, path: Path | None) -> None:
        """Read the file; without one there are no rules.

        Raises
        ------
        ForesqlError
            If it cannot be read, or is not as docs/traffic.md says.
        """
        self._path = path
        self._seen = (0, 0, 0) if path is None else stamp(path)
        self.rules: Mapping[str, Rules] = {} if path is None else read_rules(path)
        self.is_current = True

    def reload(self) -> None:
        """Read the file again if it has changed; a broken one changes nothing."""
        if self._path is None:
            return
        seen = stamp(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.rules = read_rules(self._path)
            self.is_current = True
            _LOG.info("Read the traffic rules of %s again.", self._path)
        except ForesqlError as error:
            self.is_current = False
            _LOG.error("The traffic rules stay as they were: %s", error)
