"""dbt as the child of a scheduler, a script: ``python -P dbt_child.py STATE NAME COMMAND …``.

It ends when its parent ends: standard input is a pipe that the parent alone can write to, so its
end is the parent's end, whatever killed it. And while it lives it holds a lock, so that no other
run begins. It imports nothing of foresql, which dbt may not need: that would take a second.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["main"]

GRACE_SECONDS = 60
BUSY = 75


def follow_parent() -> None:
    """Interrupt dbt when the parent is gone, and end it where it does not end by itself."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def main() -> None:
    """Run dbt's command under the project's lock."""
    from filelock import FileLock, Timeout

    folder, schedule, *arguments = sys.argv[1:]
    state = Path(folder)
    # A shell lets its background commands ignore it, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=follow_parent, daemon=True).start()
    try:
        with FileLock(state / "dbt.lock", timeout=0):
            tell_holder(state / "dbt.json", schedule)
            run_dbt(arguments)
    except Timeout:
        sys.exit(BUSY)


def tell_holder(about: Path, schedule: str) -> None:
    """Write who holds the lock, as `locks.Holder` reads it."""
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    holder = {"schedule": schedule, "pid": os.getpid(), "since": since}
    about.write_text(json.dumps(holder | {"host": socket.gethostname()}), encoding="utf-8")


def run_dbt(arguments: list[str]) -> None:
    from dbt.cli.main import cli

    sys.argv = ["dbt", *arguments]
    cli()


if __name__ == "__main__":
    main()
