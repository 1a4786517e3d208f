"""What the checks run inside Snowflake: functions that report what they are handed.

This file is the body of those functions, so it imports nothing of foresql.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

IMPORTED = {"pid": os.getpid(), "thread": threading.get_ident()}
STARTED: list[int] = []

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def started() -> None:
    """Run before workers fork, where there is such a hook."""
    STARTED.append(os.getpid())


try:
    import _snowflake  # pyright: ignore[reportMissingImports] - Snowflake's own
except ImportError:
    _snowflake = None
started = getattr(_snowflake, "udf_init_once", lambda function: function)(started)


def bits_of(numbers: Any) -> list[str]:
    """Write float64 as 16 hexadecimal digits each."""
    return [format(each, "016x") for each in np.asarray(numbers, np.float64).view(np.uint64)]


def floats_of(texts: Iterable[str]) -> NDArray[np.float64]:
    """Read what `bits_of` wrote."""
    return np.array([int(text, 16) for text in texts], np.uint64).view(np.float64)


def bits(frame: pd.DataFrame) -> list[str]:
    """Give the bits of a number; of NULL or NaN its name."""
    return [
        "missing" if missing else text
        for text, missing in zip(bits_of(frame[0]), frame[0].isna(), strict=True)
    ]


def from_bits(frame: pd.DataFrame) -> pd.Series:
    """Give the number of these bits."""
    return pd.Series(floats_of(frame[0]))


def kinds(frame: pd.DataFrame) -> list[str]:
    """Say how an argument arrives: the column's dtype, and each value's type and text."""
    column = frame[0]
    return [
        json.dumps([str(column.dtype), type(value).__name__, value_text(value)])
        for value in column.tolist()
    ]


def value_text(value: Any) -> str | None:
    """Write a value so that nothing of it is lost; what is missing is None."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # noqa: PLR0124 - NaN
        return None
    return bits_of([value])[0] if isinstance(value, float) else str(value)


def batch(frame: pd.DataFrame) -> list[str]:
    """Say how many rows came at once, and in which process and thread."""
    return [json.dumps([len(frame), os.getpid(), threading.get_ident()])] * len(frame)


def starting(frame: pd.DataFrame) -> list[str]:
    """Say which processes ran the hook, imported the module and score."""
    return [json.dumps([STARTED, IMPORTED["pid"], os.getpid()])] * len(frame)


def environment(frame: pd.DataFrame) -> list[str]:
    """Say what runs the function."""
    found = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "machine": os.uname().machine,
        "cores": os.cpu_count(),
    }
    return [json.dumps(found)] * len(frame)


def imported(frame: pd.DataFrame) -> list[str]:
    """Say where imports are, and which of them is there."""
    folder = getattr(sys, "_xoptions", {}).get("snowflake_import_directory")
    names = sorted(path.name for path in Path(folder).iterdir()) if folder else []
    return [json.dumps([bool(folder), names, globals().get("__file__")])] * len(frame)


FUNCTIONS = {
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "numpy.exp": np.exp,
}


def functions(frame: pd.DataFrame) -> list[str]:
    """Compute a function of C's library, or numpy's; both by its name and by bits."""
    answers = [
        float(FUNCTIONS[name](number))
        for name, number in zip(frame[0], floats_of(frame[1]), strict=True)
    ]
    return bits_of(answers)


def packed(frame: pd.DataFrame) -> list[str]:
    """Say what an OBJECT holds, with each value's type."""
    return [
        json.dumps({key: [type(item).__name__, value_text(item)] for key, item in value.items()})
        for value in frame[0]
    ]


def unpacked(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give an OBJECT of a number, of what is missing, and of texts, as a version's functions do."""
    others = {"missing": None, "text": "ü'\\", "infinite": "inf", "nan": "NaN"}
    return [{"number": number, **others} for number in frame[0].tolist()]


def width(frame: pd.DataFrame) -> pd.Series:
    """Count the arguments, and add them."""
    return pd.Series(frame.sum(axis=1) + 1000 * frame.shape[1])


def difference(frame: pd.DataFrame) -> Any:
    """Give the arguments as digits, so that each shows its place."""
    total = frame[0]
    for place in range(1, frame.shape[1]):
        total = total * 10 + frame[place]
    return total


def scaled(frame: pd.DataFrame) -> pd.Series:
    """Give twice a number; NULL becomes -1, as a tree sends what is missing to a leaf."""
    return (frame[0] * 2).fillna(-1.0)


def tripled(frame: pd.DataFrame) -> pd.Series:
    """Give what another version of the same function would."""
    return (frame[0] * 3).fillna(-1.0)


def slow(frame: pd.DataFrame) -> pd.Series:
    """Take some seconds, and give twice a number."""
    time.sleep(6)
    return frame[0] * 2


for _function in (
    bits, from_bits, kinds, batch, starting, environment, imported, functions, packed,
    unpacked, width, difference, scaled, tripled, slow,
):  # fmt: skip
    _function.__dict__["_sf_vectorized_input"] = pd.DataFrame
