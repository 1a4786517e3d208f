"""Every row of docs/coverage.json: what it calls exact agrees, what it calls refused is refused."""

import json
import warnings
from pathlib import Path

import pytest
from examples import NO_TABLE, examples, sklearn_estimators

from foresql import CertificationError, UnsupportedModelError, certify
from foresql.frontends import Training, convert

TABLE = json.loads((Path(__file__).parents[2] / "docs/coverage.json").read_text())
EXAMPLES = examples()
FAR_ROWS_TIE = {"AffinityPropagation", "Birch", "MeanShift", "OutputCodeClassifier"}
"""They compare distances, and the gate's rows of 1e15 lie equally far from everything."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.estimator}-{e.role}")
def test_example(example, agree):
    status = TABLE[example.library][example.estimator]["status"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator, frame = example.fit()
    if status == "exact":
        ties = 300 if example.estimator in FAR_ROWS_TIE else 0
        agree(estimator, frame, rows=300, ties=ties, ordinary=1e-12)
        return
    training = Training.of(frame, estimator)
    with pytest.raises(UnsupportedModelError) as refusal:
        convert(estimator, training)
    assert refusal.value.reason
    assert refusal.value.way_out
    if status == "skops":
        keep(estimator, training)
    else:
        with pytest.raises((UnsupportedModelError, CertificationError)):
            keep(estimator, training)


def keep(estimator, training):
    model = convert(estimator, training, opaque=True)
    certify(model, estimator, training, rows=20, routes=("kernel",))


def test_every_estimator_has_a_row():
    listed = {(example.library, example.estimator) for example in EXAMPLES}
    listed |= {("sklearn", name) for name in NO_TABLE}
    assert listed == {(library, name) for library, rows in TABLE.items() for name in rows}
    assert set(sklearn_estimators()) == set(TABLE["sklearn"])


def test_most_of_scikit_learn_is_exact():
    rows = {name: row for name, row in TABLE["sklearn"].items() if name not in NO_TABLE}
    exact = [name for name, row in rows.items() if row["status"] == "exact"]
    assert len(exact) >= 0.9 * len(rows)


@pytest.mark.parametrize("name", sorted(NO_TABLE))
def test_what_cannot_score_a_table_has_no_answer_for_a_row(name):
    kind = sklearn_estimators()[name]
    reason = NO_TABLE[name]
    assert ("predict and no transform" in reason) != (
        hasattr(kind, "predict") or hasattr(kind, "transform")
    )
