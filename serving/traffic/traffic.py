"""What is done beside an answer: another version's share, its shadow, the log, and the counts."""

from __future__ import annotations

import logging
import os
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from ..prediction_log.log import PredictionLog
from ..prediction_log.records import Record, weight_of
from .dividing import Divider, Role
from .rule_book import RuleBook
from .shadowing import Shadow
from .splitting import Split, entity_of

if TYPE_CHECKING:
    from ..answers import Answers
    from ..features import Features
    from ..http import Request
    from ..models import ServedModel
    from ..settings import Settings
    from ..shelf import Shelf
    from .dividing import Part
    from .shadowing import Job

_SHADOW_SECONDS = 5.0
_LOG_SECONDS = 20.0
_LOG = logging.getLogger("foresql.serving")


class Traffic:
    """Made where there are rules, a prediction log or traces; the plain server has none of it."""

    def __init__(self, settings: Settings, shelf: Shelf) -> None:
        """Read the rules, and prepare the log.

        Raises
        ------
        ForesqlError
            If the rules cannot be read, or the log not be written.
        """
        self.book = RuleBook(settings.traffic)
        self.divider = Divider(self.book, shelf)
        self.shadow = Shadow(self._note_shadow)
        self.is_traced = settings.traces
        self.rows: dict[tuple[str, str, int], int] = {}
        self.log = None
        if settings.prediction_log is not None:
            self.log = PredictionLog(settings.prediction_log)
            self.log.check_features(shelf.versions)
        self._known_problems: frozenset[str] = frozenset()
        self._has_warned = False
        self._prefix = ""
        self._numbers = count(1)

    def start(self) -> None:
        """Start the threads; in the process that answers, which gives its requests their ids."""
        self._prefix = os.urandom(8).hex()
        self.shadow.start()
        if self.log is not None:
            self.log.start()
        self.look()

    def stop(self) -> None:
        """Let the shadow and the log finish what is queued."""
        self.shadow.stop(_SHADOW_SECONDS)
        if self.log is not None:
            self.log.stop(_LOG_SECONDS)

    def new_id(self) -> str:
        """Make an id that no other request has, of any process."""
        return f"{self._prefix}-{next(self._numbers):x}"

    def split(
        self,
        request: Request,
        served: ServedModel,
        features: Features,
        *,
        whole: bool = False,
        entity: Any = None,
    ) -> Split:
        """Divide a request whose rows are read; ``entity`` is what it says besides its headers.

        Raises
        ------
        Refusal
            If the entity that the request names is none (400).
        """
        return Split(self, request, served, features, entity_of(request, entity), whole=whole)

    def note(self, part: Part, answers: Answers, request_id: str, at: int) -> None:
        """Count the rows of a part, and log them."""
        served = part.served
        key = served.name, str(part.role), served.version
        self.rows[key] = self.rows.get(key, 0) + len(part.places)
        if self.log is None:
            return
        features = part.features if self.log.keeps_features else None
        weight = weight_of(len(part.places), features)
        self.log.queue.put(
            Record(
                at, request_id, served, part.role, part.places, part.keys, features, answers, weight
            )
        )

    def _note_shadow(self, job: Job, answers: Answers) -> None:
        """Log what the shadow answered; in its thread."""
        if self.log is None:
            return
        features = job.features if self.log.keeps_features else None
        self.log.queue.put(
            Record(
                time.time_ns() // 1_000,
                job.request_id,
                job.served,
                Role.SHADOW,
                job.places,
                job.keys,
                features,
                answers,
                weight_of(job.rows, features),
            )
        )

    def look(self) -> None:
        """Follow the file of rules, and say once which of them do not hold."""
        self.book.reload()
        problems = frozenset(self.problems)
        for problem in sorted(problems - self._known_problems):
            _LOG.warning("A traffic rule does not hold: %s.", problem)
        self._known_problems = problems
        has_shadow = any(rules.shadow for rules in self.book.rules.values())
        if has_shadow and self.log is None and not self._has_warned:
            self._has_warned = True
            _LOG.warning("What shadows answer is kept nowhere. Keep it: --prediction-log FOLDER.")

    @property
    def problems(self) -> list[str]:
        """List why rules do not hold."""
        found: list[str] = []
        for name, routes in self.divider.all_routes().items():
            found += [f"{name}: no version is served as its champion"] if routes is None else []
            found += routes.problems if routes else ()
        return found
