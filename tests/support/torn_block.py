"""A block of a DuckDB file that a kill tore while DuckDB wrote it.

DuckDB 2.0 writes new metadata into free parts of a block that its header names, in place: a kill in
the middle of that write leaves all that the header names as it was, but for the block's checksum.
That nothing was lost or changed is what the tests check behind it.

It is rare, and only so rare it is mended: where more blocks are torn, a test fails.
"""

import re
import sys
import time
from pathlib import Path

import duckdb
from children import PATIENCE

from foresql.streams.turn import Turn
from foresql.udfs.duckdb.file import connect_file

KILLS_A_MEND = 100
"""So many kills may tear one block; docs/streams.md says how many do."""
_TORN = re.compile(r"computed checksum (\d+) does not match stored .* in block at location (\d+)")


class TornTooOftenError(AssertionError):
    """More blocks were torn than is said in docs/streams.md and docs/events.md."""


def mend_torn_block(path: Path, kills: int = 1) -> None:
    """Give a torn block the checksum of what it holds now; nothing where none is torn.

    It has the turn meanwhile: others may have begun to write behind the death. `kills` is how many
    the whole test has for that file: one mend for each hundred, and at least one.
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
        _count(path, f"block at {place}, checksum {checksum}", kills)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(checksum.to_bytes(8, "little"))
        print(f"a kill tore the block at {place}", file=sys.stderr)  # noqa: T201
    finally:
        turn.give_back()


def _count(path: Path, torn: str, kills: int) -> None:
    """Note a mend beside the file, for all processes that mend it, and refuse one too many.

    A mend that was killed itself is noted twice, and counts once.
    """
    noted = path.with_name(f"{path.name}.mended")
    with noted.open("a") as lines:
        lines.write(f"{torn}\n")
    mended, most = len(set(noted.read_text().splitlines())), max(1, kills // KILLS_A_MEND)
    if mended > most:
        message = f"{kills} kills tore {mended} blocks of {path}, and {most} at most is mended:\n"
        raise TornTooOftenError(message + noted.read_text())
