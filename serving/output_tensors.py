"""Output tensors of the Open Inference Protocol: ``predict`` and ``predict_proba``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from .answers import in_json
from .binary_tensors import write_tensor
from .datatypes import DATATYPES, OF_COLUMN
from .http import bad

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .answers import Answering, Answers
    from .models import ServedModel
    from .served import Served

PREDICT, PROBA = "predict", "predict_proba"
_BINARY = 2


@dataclass(frozen=True, slots=True)
class Output:
    """An output: ``width`` numbers a row, or one without a second dimension where it is None."""

    name: str
    datatype: str
    width: int | None
    labels: tuple[str, ...] = ()

    def shape(self, rows: int) -> list[int]:
        """Give the tensor's shape."""
        return [rows] if self.width is None else [rows, self.width]

    def metadata(self) -> dict[str, Any]:
        """Describe it, as the protocol does."""
        described = {"name": self.name, "datatype": self.datatype, "shape": self.shape(-1)}
        return described | ({"parameters": {"labels": list(self.labels)}} if self.labels else {})


def outputs_of(answering: Answering) -> Mapping[str, Output]:
    """List the outputs of a model: those of its functions in DuckDB that answer every row."""
    label = None if answering.classes is None else OF_COLUMN[answering.label_type]
    width = answering.width if answering.width > 1 else None
    outputs = {PREDICT: Output(PREDICT, label or "FP64", width)}
    if answering.no_probability is None:
        labels = tuple(str(each) for each in answering.classes or ())
        is_binary = answering.shares == _BINARY
        labels, shares = (labels[1:], None) if is_binary else (labels, answering.shares)
        outputs[PROBA] = Output(PROBA, "FP64", shares, labels)
    return outputs


def check_output(name: str, served: Served) -> None:
    """Check that a model has an output.

    Raises
    ------
    Refusal
        If it has not (400).
    """
    if name not in served.outputs:
        there = ", ".join(map(repr, served.outputs))
        raise bad(f"{served.reference} has no output {name[:200]!r}. It has {there}.")


def encode_outputs(
    answers: Answers, wanted: Mapping[str, bool], served: ServedModel
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Give the outputs that are wanted, for JSON, and the bytes of those that go behind it."""
    rows = len(answers.prediction)
    outputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, in_bytes in wanted.items():
        output = served.outputs[name]
        values = _values(output, answers, served)
        tensor: dict[str, Any] = {
            "name": name,
            "datatype": output.datatype,
            "shape": output.shape(rows),
        }
        if in_bytes:
            blobs.append(write_tensor(values, DATATYPES[output.datatype]))
            tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            is_number = output.datatype == "FP64"
            tensor["data"] = [in_json(value) for value in values] if is_number else values
        outputs.append(tensor)
    return outputs, blobs


def _values(output: Output, answers: Answers, served: ServedModel) -> Sequence[Any]:
    """Give the elements in order, row after row."""
    classes = served.answering.classes
    if output.name == PREDICT:
        if classes is not None:
            return [classes[int(row[0])] for row in answers.prediction]
        return list(chain.from_iterable(answers.prediction))
    if output.width is None:
        return [row[1] for row in answers.probabilities]
    return list(chain.from_iterable(answers.probabilities))
