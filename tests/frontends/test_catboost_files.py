"""CatBoost's files: read without it, to its own bits; a broken one is refused by name."""

import json
import struct
import subprocess
import sys
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, CatBoostClassifier, CatBoostRegressor

import foresql
from foresql.errors import BundleError, SignatureError, UnsupportedModelError
from foresql.frontends import Training
from foresql.frontends.catboost_file import convert_catboost, read_catboost
from foresql.frontends.catboost_flatbuffer import Table
from foresql.frontends.graph import Graph
from foresql.ir import Model
from foresql.kernels import Scorer

ROWS = 400
SMALL = {"verbose": 0, "allow_writing_files": False, "thread_count": 1, "iterations": 5, "depth": 3}
RNG = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=ROWS),
        "gaps": np.where(RNG.random(ROWS) < 0.3, np.nan, RNG.normal(size=ROWS)),
        "text": np.array(list("abcdefg"))[RNG.integers(0, 7, ROWS)].astype(object),
        "whole": RNG.integers(0, 9, ROWS),
        "few": np.array(["u", "v"])[RNG.integers(0, 2, ROWS)].astype(object),
    }
)
KEYS = ["text", "whole", "few"]
SIGNAL = (FRAME.x * (FRAME.whole % 3) + FRAME.gaps.fillna(2) + (FRAME.text == "c")).to_numpy()
CLASSES = np.digitize(SIGNAL, [0, 1])
NUMBERS = FRAME[["x", "gaps", "whole"]]
COMBINED = {"max_ctr_complexity": 3, "model_size_reg": 0, "iterations": 20, "nan_mode": "Max"}


def _models():
    """Fit one estimator of every kind that a file can hold."""
    regressor, classifier = CatBoostRegressor, CatBoostClassifier
    numbers = (NUMBERS, SIGNAL)
    lossguide = {"grow_policy": "Lossguide", "max_leaves": 6}
    return {
        "symmetric": regressor(**SMALL).fit(*numbers),
        "depthwise": regressor(grow_policy="Depthwise", **SMALL).fit(*numbers),
        "lossguide": classifier(**SMALL | lossguide).fit(NUMBERS, CLASSES),
        "classes": classifier(**SMALL).fit(NUMBERS, np.array(["p", "q", "r"])[CLASSES]),
        "two classes": classifier(**SMALL).fit(NUMBERS, SIGNAL > 0),
        "exponent": regressor(loss_function="Poisson", **SMALL).fit(NUMBERS, np.exp(SIGNAL / 4)),
        "uncertain": regressor(loss_function="RMSEWithUncertainty", **SMALL).fit(*numbers),
        "categories": regressor(cat_features=KEYS, **SMALL | COMBINED).fit(FRAME, SIGNAL),
        "array": regressor(**SMALL).fit(NUMBERS.to_numpy(), SIGNAL),
    }


MODELS = _models()


def save(estimator, form):
    """Give the bytes of a saved model."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{form}"
        estimator.save_model(str(path), format=form)
        return path.read_bytes()


def frame_of(estimator):
    return FRAME if estimator.get_cat_feature_indices() else NUMBERS


def convert_file(data, frame):
    parsed = read_catboost(data)
    training = Training.of(frame)
    graph = Graph(training.signature, table=training.table)
    outputs = convert_catboost(parsed, training.signature.names, graph)
    return Model(training.signature, tuple(graph.steps), outputs), training.table


@pytest.mark.parametrize("form", ["cbm", "json"])
@pytest.mark.parametrize("name", MODELS)
def test_files_answer_as_catboost(name, form):
    estimator = MODELS[name]
    frame = frame_of(estimator)
    model, table = convert_file(save(estimator, form), frame)
    scores = Scorer(model).score(table)
    raw = CatBoost.predict(estimator, frame, prediction_type="RawFormulaVal")
    assert scores.margins.tobytes() == raw.reshape(ROWS, -1).tobytes()
    theirs = np.asarray(estimator.predict(frame)).reshape(ROWS, -1)
    if isinstance(estimator, CatBoostClassifier):
        labels = [model.outputs.classes[int(index)] for index in scores.prediction[:, 0]]
        assert labels == theirs[:, 0].tolist()
        assert scores.probabilities.tobytes() == estimator.predict_proba(frame).tobytes()
    else:
        assert scores.prediction.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("form", ["cbm", "json"])
def test_names_of_features(form):
    assert read_catboost(save(MODELS["categories"], form)).feature_names == tuple(FRAME.columns)
    assert read_catboost(save(MODELS["array"], form)).feature_names == ("0", "1", "2")


def test_files_are_read_without_catboost(tmp_path):
    for form in ("cbm", "json"):
        (tmp_path / form).write_bytes(save(MODELS["categories"], form))
    script = (
        "import sys; sys.modules['catboost'] = None; from pathlib import Path\n"
        "from foresql.frontends.catboost_file import read_catboost\n"
        "print([len(read_catboost(Path(p).read_bytes()).trees) for p in sys.argv[1:]])"
    )
    parent = Path(foresql.__file__).parents[1]
    environment = {"PYTHONPATH": str(parent)}
    command = [sys.executable, "-c", script, str(tmp_path / "cbm"), str(tmp_path / "json")]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[20, 20]"


# --- hostile files --------------------------------------------------------------------------------

EDITS = 400
LARGE = [0, 1, 0x7F, 0x80, 0xFF]


def edited(data, rng):
    """Change some bytes or whole words, cut the end off, or repeat a part."""
    changed = bytearray(data)
    match rng.integers(5):
        case 0:
            for place in rng.integers(len(data), size=rng.integers(1, 9)):
                changed[place] = rng.integers(256)
        case 1:
            place = int(rng.integers(len(data) - 4))
            changed[place : place + 4] = struct.pack("<I", int(rng.integers(2**32)))
        case 2:
            changed[int(rng.integers(len(data)))] = int(rng.choice(LARGE))
        case 3:
            del changed[int(rng.integers(len(data))) :]
        case _:
            start, place = (int(number) for number in rng.integers(len(data), size=2))
            changed[place:place] = changed[start : start + int(rng.integers(1, 64))]
    return bytes(changed)


@pytest.mark.parametrize("form", ["cbm", "json"])
@pytest.mark.parametrize("name", ["symmetric", "depthwise", "lossguide", "classes", "categories"])
def test_edited_files_are_read_or_refused(name, form):
    data, frame = save(MODELS[name], form), frame_of(MODELS[name])
    rng = np.random.default_rng(11)
    outcomes = []
    for _ in range(EDITS):
        try:
            convert_file(edited(data, rng), frame)
            outcomes.append("read")
        except (UnsupportedModelError, BundleError, SignatureError) as error:
            outcomes.append(type(error).__name__)
    assert "UnsupportedModelError" in outcomes


def test_every_early_byte_and_every_length():
    data = save(MODELS["categories"], "cbm")
    for size in [*range(64), *range(64, len(data), 997)]:
        with pytest.raises(UnsupportedModelError):
            read_catboost(data[:size])


BROKEN = {
    "empty": b"",
    "no JSON": b"hello",
    "not an object": b"[1, 2]",
    "another object": b"{}",
    "not UTF-8": b'{"a": "\xff"}',
    "deep": b"[" * 100_000,
    "the magic alone": b"CBM1",
    "a size beyond the end": b"CBM1" + struct.pack("<I", 2**32 - 1) + b"\0" * 64,
    "an empty core": b"CBM1" + struct.pack("<I", 0),
    "zeros": b"CBM1" + struct.pack("<I", 64) + b"\0" * 64,
    "a name twice": b'{"model_info": 1, "model_info": 2}',
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_model(data):
    with pytest.raises(UnsupportedModelError, match="CatBoost model: "):
        read_catboost(data)


def test_parts_are_not_shared_without_end():
    head = struct.pack("<I4H2I", 12, 6, 8, 4, 0, 8, 4)
    table = Table.root(head + struct.pack("<I", 1_000) + b"\1" * 1_000)
    assert [table.array(0, np.uint8).sum() for _ in range(64)] == [1_000] * 64
    with pytest.raises(UnsupportedModelError, match="share too much"):
        deque((table.array(0, np.uint8) for _ in range(100)), maxlen=0)


def changed_json(name, change):
    document = json.loads(save(MODELS[name], "json"))
    change(document)
    return json.dumps(document).encode()


def _deep(document):
    tree = document["trees"][0]
    for _ in range(300):
        tree = {"left": tree, "right": {"value": 0.0}, "split": {"split_index": 0}}
    document["trees"][0] = tree


CHANGES = {
    "a split that is not there": lambda d: d["oblivious_trees"][0]["splits"][0].update(
        split_index=999
    ),
    "a negative split": lambda d: d["oblivious_trees"][0]["splits"][0].update(split_index=-1),
    "a leaf too few": lambda d: d["oblivious_trees"][0]["leaf_values"].pop(),
    "a weight too few": lambda d: d["oblivious_trees"][0]["leaf_weights"].pop(),
    "an infinite leaf": lambda d: d["oblivious_trees"][0]["leaf_values"].append(1e999),
    "a border that is NaN": lambda d: d["features_info"]["float_features"][0].update(
        borders=[float("nan")] * 9
    ),
    "a huge split": lambda d: d["oblivious_trees"][0]["splits"][0].update(split_index=10**30),
    "no trees": lambda d: d.update(oblivious_trees=[]),
    "two biases": lambda d: d.update(scale_and_bias=[1, [0, 0]]),
    "a scale that is text": lambda d: d.update(scale_and_bias=["x", [0]]),
    "embeddings": lambda d: d["features_info"].update(embedding_features=[{}]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_json_that_was_edited(change):
    with pytest.raises(UnsupportedModelError):
        read_catboost(changed_json("symmetric", change))


def test_diverged_leaves():
    data = changed_json(
        "symmetric", lambda d: d["oblivious_trees"][0].update(leaf_values=[float("inf")] * 8)
    )
    with pytest.raises(UnsupportedModelError, match="training diverged"):
        read_catboost(data)


def test_a_deep_tree_is_read():
    model, table = convert_file(changed_json("depthwise", _deep), NUMBERS)
    assert len(Scorer(model).score(table).prediction) == ROWS


NOTES = {
    "no note": ({}, "what its classes are"),
    "a label twice": ({"class_names": ["p", "p", "r"]}, "one label"),
    "a class too few": ({"class_names": ["p", "q"]}, "2 were named"),
    "another order": ({"class_to_label": [2, 1, 0]}, "were named"),
    "an unknown kind": ({"class_label_type": "Complex"}, "Complex"),
    "labels of another kind": ({"class_label_type": "Integer"}, "Integer"),
    "no list": ({"class_names": "pqr"}, "note about classes"),
}


@pytest.mark.parametrize(("note", "message"), NOTES.values(), ids=NOTES)
def test_notes_about_classes(note, message):
    def change(document):
        params = document["model_info"].pop("class_params")
        if note:
            document["model_info"]["class_params"] = params | note

    with pytest.raises(UnsupportedModelError, match=message):
        convert_file(changed_json("classes", change), NUMBERS)


@pytest.mark.parametrize("threshold", ["2", "nan", "high"])
def test_thresholds_that_are_none(threshold):
    data = changed_json(
        "two classes",
        lambda d: d["model_info"].update(binclass_probability_threshold=threshold),
    )
    with pytest.raises(UnsupportedModelError, match="probability threshold"):
        convert_file(data, NUMBERS)


def test_categories_without_training_rows():
    parsed = read_catboost(save(MODELS["categories"], "cbm"))
    training = Training.of(FRAME)
    with pytest.raises(UnsupportedModelError, match="give the whole training frame"):
        convert_catboost(parsed, training.signature.names, Graph(training.signature))


def test_counts_that_are_missing():
    data = changed_json("categories", lambda d: d.update(ctr_data={}))
    with pytest.raises(UnsupportedModelError, match="counts of its categories are missing"):
        convert_file(data, FRAME)
