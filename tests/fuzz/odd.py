"""Odd values, odd rows and odd JSON, which several fuzzers use."""

import json
import random
from copy import deepcopy

import numpy as np
import pyarrow as pa

from foresql.ir import ColumnType, Signature

ODD_NUMBERS = (-(2**31), -2, -1, 0, 1, 2, 3, 254, 255, 256, 65535, 65536, 2**31 - 1)
ODD_FLOATS = (*map(float, ODD_NUMBERS), -0.0, 0.5, 5e-324, 1e308, -1e308, np.nan, np.inf, -np.inf)
ODD_VALUES = (
    *(None, True, -1, 0, 1, 255, 256, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 0.5, 1e308, -1e-320),
    *("", "x", "n", "city", "double", "varchar", "nan", [], {}, {"float": "nan"}),
    *({"float": "inf"}, {"float": "-inf"}),
)
ROWS = 70
VALUES = {
    ColumnType.DOUBLE: [*ODD_FLOATS, None],
    ColumnType.BIGINT: [*ODD_NUMBERS, 2**53 + 1, -(2**63), None],
    ColumnType.BOOLEAN: [True, False, None],
    ColumnType.VARCHAR: ["Bonn", "Kiel", "", "é" * 40, "Ulm\0", None],
    ColumnType.TIMESTAMP: [0, -1, 2**62, None],
}
TYPES = {
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BIGINT: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.VARCHAR: pa.string(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}


def odd_rows(signature: Signature) -> pa.Table:
    """Make rows with every odd value of each column."""
    arrays = {}
    for number, column in enumerate(signature.columns):
        values = VALUES[column.type]
        rolled = [values[(number + row) % len(values)] for row in range(ROWS)]
        arrays[column.name] = pa.array(rolled, TYPES[column.type])
    return pa.table(arrays)


def edit_json(rng: random.Random, document) -> None:
    """Replace, drop or repeat one node of a tree of JSON values."""
    nodes = list(nodes_of(document))
    if not nodes:
        return
    holder, key = rng.choice(nodes)
    match rng.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(key, holder[key])
        case 2:
            other, place = rng.choice(nodes)
            holder[key] = json.loads(json.dumps(other[place]))
        case _:
            # A copy: edited again, a value that is shared would come to hold itself.
            holder[key] = deepcopy(rng.choice(ODD_VALUES))


def nodes_of(document):
    """List every place in a tree of JSON values."""
    waiting = [document] if isinstance(document, dict | list) else []
    while waiting:
        holder = waiting.pop()
        keys = range(len(holder)) if isinstance(holder, list) else sorted(holder)
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
