"""Writes numbers to a DuckDB file by turns, each in a transaction behind the one before it.

`test_turns.py` starts and kills it. A number that a position lacks which was committed is said.
"""

import sys
import time
from pathlib import Path

from torn_block import mend_torn_block

from foresql.errors import StreamError
from foresql.streams.events.sinks import turns


def number(connection, writer, last):
    """Write the next number, where the last one is there."""
    connection.begin()
    [(found,)] = connection.execute(
        "SELECT last FROM positions WHERE writer = ?", [writer]
    ).fetchall()
    if last is not None and found != last:
        print(f"{writer} had committed {last}, and {found} is there", flush=True)  # noqa: T201
        sys.exit(1)
    values = [found + 1, writer]
    connection.execute("UPDATE positions SET last = ? WHERE writer = ?", values)
    connection.execute("INSERT INTO numbers (number, writer) VALUES (?, ?)", values)
    connection.commit()
    return found + 1


def main(path, writer, kills):
    turns._TURN = 0.0  # each number is a turn
    file = turns.SharedFile(path, hold=False, pause=time.sleep, told=lambda _: None)
    last = None
    with path.with_name(f"{writer}.log").open("ab", buffering=0) as log:
        while True:
            try:
                with file.use() as connection:
                    last = number(connection, writer, last)
                    log.write(f"{last}\n".encode())
            except StreamError:  # another one was killed while it closed the file
                mend_torn_block(path, kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
