"""A bundle of 500 trees from disk to its first scores, against what others do before theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from measuring import Row, interleave, largest_difference, refused, report, timed
from measuring.boosters import large
from measuring.environments import Peer, PeerError

from foresql.frontends import Training, convert
from foresql.ir.bundle import Bundle, encode_bundle, read_bundle
from foresql.kernels import Scorer, build_program

BATCH = 1_000
CASE = f"500 x 127 x 30: from disk to the first {BATCH:,} scores"
BAR, MOST_SECONDS = 50.0, 0.5
COLD = """
import sys
from pathlib import Path
import pyarrow as pa
from foresql.ir.bundle import read_bundle
from foresql.kernels import Scorer
rows = pa.ipc.open_file(sys.argv[2]).read_all()
bundle = read_bundle(Path(sys.argv[1]))
Scorer(bundle.model, bundle.program, threads=1).score(rows)
"""


def main() -> None:
    """Load with ours and with LightGBM in turn; lleaves compiles once, which takes long enough."""
    booster, matrix = large()
    with TemporaryDirectory() as folder:
        report("loading", against(booster, np.ascontiguousarray(matrix[:BATCH]), Path(folder)))


def against(booster: lgb.Booster, matrix: np.ndarray, folder: Path) -> list[Row]:
    """Write the model in each form, and read it back."""
    text, bundle, batch = (folder / name for name in ("model.txt", "model.bundle", "rows.arrow"))
    booster.save_model(text)
    training = Training.of(matrix, booster)
    model = convert(booster, training)
    bundle.write_bytes(encode_bundle(Bundle(model, {}, build_program(model)))[0])
    with pa.ipc.new_file(batch, training.table.schema) as writer:
        writer.write_table(training.table)

    def ours() -> np.ndarray:
        return first_scores(bundle, training.table)

    def theirs() -> np.ndarray:
        return lgb.Booster(model_file=text).predict(matrix, num_threads=1)

    command = [sys.executable, "-c", COLD, str(bundle), str(batch)]
    cold = timed(lambda: subprocess.run(command, check=True))  # noqa: S603 - itself
    mine, lightgbm, process = interleave([timed(ours), timed(theirs), cold], rounds=5)
    expected = booster.predict(matrix)
    difference = largest_difference(ours(), expected)
    within = "within" if mine < MOST_SECONDS else "NOT within"
    note = f"{within} {MOST_SECONDS} s; {process:.2f} s in a new process, with its imports"
    return [
        Row(CASE, "LightGBM", mine, lightgbm, lightgbm / mine, 0, difference, note=note),
        lleaves(text, matrix, expected, mine, difference),
    ]


def first_scores(bundle: Path, rows: pa.Table) -> np.ndarray:
    """Read a bundle and score: the same as ``COLD`` does in a process of its own."""
    read = read_bundle(bundle)
    return Scorer(read.model, read.program, threads=1).score(rows).prediction


def lleaves(
    text: Path, matrix: np.ndarray, expected: np.ndarray, mine: float, difference: float
) -> Row:
    """Compile once: without inlining trees, the quickest way that lleaves has."""
    try:
        with Peer("lleaves", text.parent) as peer:
            loaded = peer.load(text, finline=False)
            peer_diff = largest_difference(peer.predict(matrix), expected)
            seconds = loaded["seconds"] + peer.clock()
    except PeerError as error:
        return refused(CASE, "lleaves", str(error), bar=BAR)
    return Row(
        CASE,
        f"lleaves {loaded['version']}",
        mine,
        seconds,
        seconds / mine,
        BAR,
        difference,
        peer_diff=peer_diff,
        note="compiled once, with finline=False, its quickest",
    )


if __name__ == "__main__":
    main()
