"""The columns of the catalogue's tables, and the rows of a model's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..ir.bundle_head import BundleHead
    from ..ir.signature import Column

_KEY = (
    ("model_name", "varchar", "the model's name"),
    ("model_version", "bigint", "its version: 1, 2, 3 …"),
    ("reference", "varchar", "name and version, such as delay:3"),
)

COLUMNS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "models": (
        *_KEY,
        ("aliases", "varchar", "the aliases that are at this version now, by commas"),
        ("sha256", "varchar", "the hash of the version's bundle: of the model and its card"),
        ("created_at", "timestamp", "when it was published, in UTC"),
        ("created_by", "varchar", "the user who published it"),
        ("description", "varchar", "what the user said of it"),
        ("library", "varchar", "the library that it was trained with"),
        ("library_version", "varchar", "the version of that library when it was published"),
        ("estimator", "varchar", "the estimator's class, or its format if it was imported"),
        ("task", "varchar", "classification where it predicts labels, else regression"),
        ("classes", "varchar", "the labels, as a JSON list; NULL for a regression"),
        ("input_columns", "bigint", "how many columns it reads"),
        ("certified_by", "varchar", "library: its answers are the library's own; or kernel"),
        ("certified_rows", "bigint", "the rows on which the gate compared it"),
        ("largest_difference", "double", "the largest relative difference that it found"),
        ("certified_routes", "varchar", "the routes that it compared, by commas"),
        ("metrics", "varchar", "the metrics that the user gave, as a JSON object"),
        ("trained_on", "varchar", "what is known of the training data, in a line"),
        ("training_rows", "bigint", "the rows of the training frame"),
        ("training_sha256", "varchar", "the hash of the columns that the model reads of it"),
        ("git_commit", "varchar", "the commit that it was published from; + if files differed"),
        ("kept_whole", "boolean", "whether scoring needs the library, for want of a translation"),
        ("problem", "varchar", "what of the version cannot be read; NULL where it is whole"),
    ),
    "model_columns": (
        *_KEY,
        ("position", "bigint", "1, 2, 3 …: inputs in training order, then outputs"),
        ("column_name", "varchar", "an input's column; an output's function"),
        ("role", "varchar", "input or output"),
        ("type", "varchar", "the type in SQL"),
        ("nullable", "boolean", "whether training saw it missing; NULL where that is unknown"),
        ("categories", "bigint", "how many categories training knew; NULL where it has none"),
        ("training_missing", "bigint", "the rows of the training frame without it"),
        ("training_min", "varchar", "the least finite value in training, as text"),
        ("training_max", "varchar", "the largest finite value in training, as text"),
        ("description", "varchar", "what an output is; the first categories of an input"),
    ),
}
"""Of each table: names, types and meanings of its columns."""

_BINARY = 2
_SHOWN = 8


def column_rows(head: BundleHead) -> Iterator[dict[str, Any]]:
    """Give the rows of the columns that a model reads, in training order."""
    training = head.card.get("training")
    profiles = training.get("columns") if isinstance(training, dict) else None
    for column in head.signature.columns:
        profile = profiles.get(column.name, {}) if isinstance(profiles, dict) else {}
        levels = column.categories
        yield {
            "column_name": column.name,
            "role": "input",
            "type": column.type.value,
            "nullable": None if head.card.get("imported") else column.nullable,
            "categories": None if levels is None else len(levels),
            "training_missing": profile.get("missing"),
            "training_min": _as_text(profile.get("min")),
            "training_max": _as_text(profile.get("max")),
            "description": _levels(column),
        }


def output_rows(head: BundleHead) -> Iterator[dict[str, Any]]:
    """Give the rows of the functions that answer."""
    outputs, classes = head.outputs, head.outputs.classes
    labels = [str(label) for label in classes or ()]
    if classes is not None:
        said = f"the label: {_listed(labels)}"
        yield _output("predict", outputs.label_type.value, said)
    elif len(outputs.prediction) > 1:
        yield _output("predict", f"double[{len(outputs.prediction)}]", "the predicted values")
    else:
        yield _output("predict", "double", "the predicted value")
    if outputs.probabilities and len({label.casefold() for label in labels}) == len(labels):
        if len(labels) == _BINARY:
            yield _output("predict_proba", "double", f"the probability of {labels[1]}")
        else:
            said = f"the probability of each label: {_listed(labels)}"
            yield _output("predict_proba", "struct", said)
    if head.has_intervals:
        yield _output("interval", "struct", "low and high ends, at a level of confidence")


def _output(name: str, kind: str, description: str) -> dict[str, Any]:
    return {"column_name": name, "role": "output", "type": kind, "description": description}


def _levels(column: Column) -> str | None:
    levels = column.categories
    return None if levels is None else f"one of {_listed([str(level) for level in levels])}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)
