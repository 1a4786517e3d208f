"""Every engine that runs here reads a number in SQL as the same bits.

``FORESQL_SQL_GRID=all`` takes a hundred thousand numbers instead of two thousand.
"""

import math
import os
import random
import struct

import numpy as np
import pyarrow as pa

from foresql.models_sql import target_of

COUNT = 100_000 if os.environ.get("FORESQL_SQL_GRID") == "all" else 2_000
AT_ONCE = 500
ONE_ROW = pa.table({"one": [1]})


def numbers():
    """Make numbers that readers of decimals are known to round wrongly, and random ones."""
    rng = random.Random(7)  # noqa: S311 - no secret
    hard = [5e-324, 2.2250738585072011e-308, 2.2250738585072014e-308, 1.7976931348623157e308]
    hard += [9007199254740993.0, 1e23, 8.41e21, 9.5e-6, 2.0**-1074 * 3, 6.929001713869936e236]
    hard += [math.nextafter(10.0**e, to) for e in range(-307, 309, 7) for to in (0.0, math.inf)]
    hard += [(2**53 - 1) * 2.0**e for e in range(-1074, 971, 31)]
    while len(hard) < COUNT // 2:
        hard.append(struct.unpack("d", struct.pack("Q", rng.getrandbits(64)))[0])
    while len(hard) < COUNT:
        hard.append(rng.uniform(-1, 1) * 10.0 ** rng.randint(-6, 6))
    return [value for value in hard if math.isfinite(value)]


def test_literals_are_read_to_the_same_bits(engine):
    target = target_of(engine.name)
    given = [value for value in numbers() if target.literal(value) is not None]
    for start in range(0, len(given), AT_ONCE):
        part = given[start : start + AT_ONCE]
        columns = ", ".join(f"{target.literal(v)} AS v{i}" for i, v in enumerate(part))
        row = engine.run(f"SELECT {columns} FROM probes", ONE_ROW).to_pylist()[0]
        found = np.array([float(row[f"v{i}"]) for i in range(len(part))])
        wrong = np.flatnonzero(found.view(np.int64) != np.array(part).view(np.int64))
        assert not len(wrong), [(part[i], found[i]) for i in wrong[:5]]
