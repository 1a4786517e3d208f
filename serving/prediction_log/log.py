"""The thread that writes the prediction log: requests hand rows over, and never wait for it."""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from ...errors import ForesqlError
from ..bounded_queue import BoundedQueue
from .journal import SUFFIX, Journal, recover
from .records import ALL, LogTable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..models import ServedModel
    from ..settings import LogSettings
    from .records import Record

QUEUED_ROWS = 200_000
QUEUED_BYTES = 128 * 2**20
FILE_BYTES = 64 * 2**20
FLUSH_SECONDS = 0.5
RECOVER_SECONDS = 30.0
_BATCH_ROWS = 1_024
_ATTEMPTS = 5
_FOLDER_MODE = 0o750
_LOG = logging.getLogger("foresql.serving")


class PredictionLog:
    """Files ``MODEL/VERSION/TIME-PROCESS-NUMBER.parquet`` in a folder.

    Processes may share the folder: each has files of its own.
    """

    def __init__(self, settings: LogSettings) -> None:
        """Make the folder; :meth:`start` starts the thread.

        Raises
        ------
        ForesqlError
            If the folder cannot be written.
        """
        self._settings = settings
        self.queue: BoundedQueue[Record] = BoundedQueue(QUEUED_ROWS, QUEUED_BYTES)
        self.written = 0
        self.lost = 0
        self._tables: dict[str, LogTable] = {}
        self._open: dict[str, tuple[Journal, float]] = {}
        self._files = 0
        self._recover_at = 0.0
        self._failed = False
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        folder = settings.folder
        try:
            folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
            os.scandir(folder).close()
            is_writable = os.access(folder, os.W_OK | os.X_OK)
        except OSError as error:
            reason = error.strerror
            raise ForesqlError(f"The prediction log {folder} cannot be made: {reason}.") from error
        if not is_writable:
            raise ForesqlError(f"The prediction log {folder} cannot be written. Choose another.")

    @property
    def keeps_features(self) -> bool:
        """Whether any feature is logged."""
        return bool(self._settings.features)

    def check_features(self, versions: Iterable[ServedModel]) -> None:
        """Check that the features which are to be logged are some model's.

        Raises
        ------
        ForesqlError
            If one is no model's.
        """
        if self._settings.features == (ALL,):
            return
        known = {name for served in versions for name in served.names}
        for name in self._settings.features:
            if known and name not in known:
                message = f"No model that is served has a feature {name!r}, which is to be logged."
                raise ForesqlError(message)

    def start(self) -> None:
        """Start the thread. Its process is named here, since processes may be forked before."""
        self._process = os.urandom(4).hex()
        self._thread = threading.Thread(target=self._run, name="foresql-log", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Write what is queued, and close all files; give up after some seconds."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                _LOG.error("The prediction log could not be closed within %g s.", seconds)
            self._thread = None

    def _run(self) -> None:
        while not self._end.wait(FLUSH_SECONDS):
            self._guarded(final=False)
        self._guarded(final=True)

    def _guarded(self, *, final: bool) -> None:
        """Do what is due. Whatever goes wrong, the thread goes on."""
        try:
            self._write_queued()
            self._close_due(final=final)
            self._recover_left()
        except Exception:  # noqa: BLE001 - the log has the reason
            _LOG.exception("The prediction log failed.")

    def _write_queued(self) -> None:
        while records := self.queue.take(_BATCH_ROWS):
            by_version: dict[str, list[Record]] = {}
            for record in records:
                by_version.setdefault(record.served.reference, []).append(record)
            try:
                for mine in by_version.values():
                    self._write(mine)
            finally:
                self.queue.release(records)
            # Here too: under a steady load the queue is never empty.
            self._close_due(final=False)
            self._recover_left()
            time.sleep(0)  # requests have the interpreter between two batches

    def _write(self, records: list[Record]) -> None:
        served = records[0].served
        rows = sum(record.rows for record in records)
        try:
            table = self._table(served)
            batch = table.batch(records)
            self._journal(served, table).append(batch)
            self.written += rows
            self._failed = False
        except Exception as error:  # noqa: BLE001 - the next rows may be written again
            self.lost += rows
            if not self._failed:
                _LOG.error("The prediction log loses rows of %s: %s", served.reference, error)
            self._failed = True
            if isinstance(error, OSError) and served.reference in self._open:
                self._open.pop(served.reference)[0].leave()
                self._recover_at = time.monotonic() + RECOVER_SECONDS
            if served.reference not in self._open:
                self._tables.pop(served.reference, None)

    def _table(self, served: ServedModel) -> LogTable:
        table = self._tables.get(served.reference)
        if table is None:
            table = LogTable(served, self._settings.features)
            self._tables[served.reference] = table
        return table

    def _journal(self, served: ServedModel, table: LogTable) -> Journal:
        found = self._open.get(served.reference)
        if found is not None:
            return found[0]
        folder = self._settings.folder / served.name / str(served.version)
        folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        journal = self._new_journal(folder, table)
        self._open[served.reference] = journal, time.monotonic()
        return journal

    def _new_journal(self, folder: Path, table: LogTable) -> Journal:
        attempt = 0
        while True:
            attempt += 1
            self._files += 1
            at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            try:
                return Journal(folder, f"{at}-{self._process}-{self._files}", table.schema)
            except BlockingIOError:  # another process took it for one that was left
                if attempt == _ATTEMPTS:
                    raise

    def _close_due(self, *, final: bool) -> None:
        now = time.monotonic()
        for reference, (journal, since) in list(self._open.items()):
            is_due = now - since >= self._settings.seconds or journal.size >= FILE_BYTES
            if not (final or is_due):
                continue
            # With its table, which keeps the version's model in memory.
            del self._open[reference], self._tables[reference]
            try:
                journal.close()
            except (OSError, pa.ArrowException) as error:
                _LOG.error("The prediction log keeps %s for later: %s", journal.path, error)
                self._recover_at = now + RECOVER_SECONDS

    def _recover_left(self) -> None:
        """Close what killed processes left, and what could not be closed before."""
        if time.monotonic() < self._recover_at:
            return
        self._recover_at = float("inf")
        mine = {journal.path for journal, _ in self._open.values()}
        for path in sorted(self._settings.folder.glob(f"*/*/.*{SUFFIX}")):
            if path in mine:
                continue
            try:
                if recover(path):
                    _LOG.info("Closed %s, which a process that is gone had left.", path)
            except (OSError, pa.ArrowException) as error:
                _LOG.error("The prediction log cannot close %s: %s", path, error)
                self._recover_at = time.monotonic() + RECOVER_SECONDS
