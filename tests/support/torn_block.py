"""A block of a DuckDB file that a kill tore while DuckDB wrote it.

DuckDB 2.0 writes new metadata into free parts of a block that its header names, in place: a kill in
the middle of that write leaves all that the header names as it was, but for the block's checksum.
That nothing was lost or changed is what the tests check behind it.
"""

import re
import sys
import time
from pathlib import Path

import duckdb
from children import PATIENCE

from foresql.streams.turn import Turn
from foresql.udfs.duckdb.file import connect_file

_TORN = re.compile(r"computed checksum (\d+) does not match stored .* in block at location (\d+)")


def mend_torn_block(path: Path) -> None:
    """Give a torn block the checksum of what it holds now; nothing where none is torn.

    It has the turn meanwhile: others may have begun to write behind the death.
    """
    turn, until = Turn(path, is_shared=False), time.monotonic() + PATIENCE
    while not turn.take():
        assert time.monotonic() < until, f"{turn.holder()} has {path}"
        time.sleep(0.01)
    try:
        connect_file(path).close()
    except duckdb.Error as error:
        found = _TORN.search(str(error))
        if found is None:
            raise
        checksum, place = int(found[1]), int(found[2])
        with path.open("r+b") as file:
            file.seek(place)
            file.write(checksum.to_bytes(8, "little"))
        print(f"a kill tore the block at {place}", file=sys.stderr)  # noqa: T201
    finally:
        turn.give_back()
