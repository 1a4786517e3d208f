"""ONNX models: what onnxruntime answers, and the step that asks it inside an engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import SignatureError, UnsupportedModelError
from ..ir import ColumnType, Outputs
from ..ir import steps as s
from ..ir.onnx_file import check_onnx, labels_in
from ..ir.onnx_session import open_session
from .frames import Training
from .values import labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ..ir import Scalar
    from .graph import Graph, Names

_TYPES: Mapping[str, tuple[type, tuple[ColumnType, ...]]] = {
    "tensor(float)": (np.float32, (ColumnType.DOUBLE, ColumnType.BIGINT, ColumnType.BOOLEAN)),
    "tensor(double)": (np.float64, (ColumnType.DOUBLE, ColumnType.BIGINT, ColumnType.BOOLEAN)),
    "tensor(int64)": (np.int64, (ColumnType.BIGINT, ColumnType.BOOLEAN)),
    "tensor(int32)": (np.int32, (ColumnType.BIGINT, ColumnType.BOOLEAN)),
    "tensor(bool)": (np.bool_, (ColumnType.BOOLEAN,)),
    "tensor(string)": (np.object_, (ColumnType.VARCHAR,)),
}
"""As what numpy passes an input, and the columns that can be passed so."""

_CELLS = {
    ColumnType.BIGINT: s.Cell.INTEGER,
    ColumnType.BOOLEAN: s.Cell.TRUTH,
    ColumnType.VARCHAR: s.Cell.TEXT,
}
_LABELS = {"tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)"}


class OnnxModel:
    """An ONNX model, with ``predict`` as scikit-learn's estimators have it.

    A graph has either one input of [rows, columns], which takes the columns in the frame's order,
    or an input for each column, of its name. Numbers are read as float64 (as int64 where the input
    is an integer) and cast to the input's type as numpy casts. onnxruntime runs every operator as
    it is written, without optimisation, on one thread.

    Parameters
    ----------
    source
        The path of an ``.onnx`` file, its bytes, or an ``onnx.ModelProto``.
    prediction, probabilities
        The graph's outputs; by default its only one, or a label and then probabilities.
    classes
        The labels of a classifier, in the order of its probabilities; by default those that the
        graph names. With probabilities alone, the label is the first of the largest.

    Raises
    ------
    UnsupportedModelError
        If the graph holds what is not run, or its inputs or outputs are of other kinds.
    """

    def __init__(
        self,
        source: str | Path | bytes | Any,
        *,
        prediction: str | None = None,
        probabilities: str | None = None,
        classes: Sequence[Scalar] | None = None,
    ) -> None:
        self.file = _bytes_of(source)
        check_onnx(self.file)
        self._session = _session(self.file)
        self.inputs = self._session.get_inputs()
        self._outputs = {each.name: each for each in self._session.get_outputs()}
        self.prediction, self.probabilities = self._answers(prediction, probabilities, classes)
        self.classes_ = self._classes(classes)
        self.is_matrix = len(self.inputs) == 1 and len(self.inputs[0].shape) > 1
        _check_inputs(self.inputs)

    @property
    def feature_names_in_(self) -> list[str] | None:
        """The columns that the graph takes by name; None where it takes a matrix."""
        return None if self.is_matrix else [each.name for each in self.inputs]

    @property
    def n_features_in_(self) -> int | None:
        """How many columns the graph takes; None where it does not say."""
        width = self.inputs[0].shape[1] if self.is_matrix else len(self.inputs)
        return width if isinstance(width, int) else None

    @property
    def predict_proba(self) -> Callable[[Any], NDArray[np.float64]]:
        """Give the probabilities, float64[rows, classes]; a regression has no such method."""
        if self.probabilities is None:
            raise AttributeError("predict_proba")
        return self._probabilities

    def predict(self, frame: Any) -> NDArray[Any]:
        """Give the labels, or the values: [rows], or [rows, outputs] where there are several.

        Raises
        ------
        ValueError
            If a value is missing where the graph's type has none, or onnxruntime refuses the rows.
        """
        if self.classes_ is not None and self.prediction is None:
            largest = np.argmax(self._probabilities(frame), axis=1)
            return np.array(self.classes_, object)[largest]
        answer = self.ask(frame)[0]
        if self.classes_ is not None:
            return np.array(answer.ravel().tolist(), object)
        table = answer.reshape(len(answer), -1)
        return table[:, 0] if table.shape[1] == 1 else table

    def ask(self, frame: Any) -> list[NDArray[Any]]:
        """Run the graph on a frame and give its answers.

        A single row is asked twice at once: onnxruntime multiplies one row in another order.
        """
        table = Training.of(frame, self).table
        rows = len(table)
        if rows == 1:
            table = pa.concat_tables([table, table])
        try:
            answers = self._session.run(self.answers, self._feeds(table))
        except Exception as error:
            message = f"onnxruntime refuses the rows: {error}"
            raise ValueError(message) from error
        return [np.asarray(answer)[:rows] for answer in answers]

    @property
    def answers(self) -> list[str]:
        """The outputs of the graph that are asked for."""
        return [name for name in (self.prediction, self.probabilities) if name is not None]

    def width(self, name: str, graph: Graph) -> int:
        """Give how many columns an output has."""
        shape = self._outputs[name].shape
        if not all(isinstance(size, int) for size in shape[1:]):
            raise graph.refuse(
                f"its output {name!r} declares the shape {shape}",
                "export it with the number of columns of every output",
            )
        return int(np.prod(shape[1:], dtype=np.int64))

    def _probabilities(self, frame: Any) -> NDArray[np.float64]:
        answer = self.ask(frame)[-1]
        return answer.reshape(len(answer), -1).astype(np.float64)

    def _feeds(self, table: pa.Table) -> dict[str, NDArray[Any]]:
        columns = [column.combine_chunks() for column in table.columns]
        if self.is_matrix:
            kind = _TYPES[self.inputs[0].type][0]
            matrix = np.stack([_cast(column, kind) for column in columns], axis=1)
            return {self.inputs[0].name: matrix}
        feeds = {}
        for each, column in zip(self.inputs, columns, strict=True):
            values = _cast(column, _TYPES[each.type][0])
            feeds[each.name] = values.reshape(-1, 1) if len(each.shape) > 1 else values
        return feeds

    def _answers(
        self, prediction: str | None, probabilities: str | None, classes: object
    ) -> tuple[str | None, str | None]:
        names = list(self._outputs)
        for name in (prediction, probabilities):
            if name is not None and name not in self._outputs:
                raise _refusal(f"it has no output {name!r}", f"choose of {names}")
        if prediction is not None or probabilities is not None:
            return prediction, probabilities
        is_label = [each.type in _LABELS for each in self._outputs.values()]
        if len(names) == 1:
            return (None, names[0]) if classes is not None and not is_label[0] else (names[0], None)
        if is_label == [True, False]:
            return names[0], names[1]
        raise _refusal(
            f"its outputs are {names}",
            "say which is which: OnnxModel(file, prediction=…, probabilities=…)",
        )

    def _classes(self, classes: Sequence[Scalar] | None) -> tuple[Scalar, ...] | None:
        for name in self.answers:
            kind = self._outputs[name].type
            if kind not in {*_LABELS, "tensor(float)", "tensor(double)"}:
                raise _refusal(f"its output {name!r} is {kind}", "export tensors of numbers")
        if classes is not None:
            return labels_of(classes)
        is_text = (
            self.prediction is not None and self._outputs[self.prediction].type == "tensor(string)"
        )
        found = labels_in(self.file) if self.prediction in self._label_outputs() else None
        if found is None and (is_text or self.probabilities is not None):
            raise _refusal(
                "it is a classifier, and does not say which labels it gives",
                "name them in the order of the probabilities: OnnxModel(file, classes=[…])",
            )
        return found

    def _label_outputs(self) -> set[str]:
        return {name for name, each in self._outputs.items() if each.type in _LABELS}


def read_onnx(data: bytes) -> OnnxModel:
    """Read a model from the bytes of an ``.onnx`` file.

    Raises
    ------
    UnsupportedModelError
        If it holds what is not run.
    """
    return OnnxModel(data)


def convert_onnx(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Kept whole: onnxruntime runs the graph, in blocks of 64 rows."""
    kinds = [each.type for each in model.inputs] * (len(inputs) if model.is_matrix else 1)
    for name, kind in zip(inputs, kinds, strict=True):
        if graph.types[name] not in _TYPES[kind][1]:
            raise graph.refuse(
                f"column {name!r} is {graph.types[name]}, and the graph takes a {kind}",
                "give the column that type in the frame",
            )
        if kind not in {"tensor(float)", "tensor(double)"}:
            graph.require((name,), missing=True, infinite=False)
    cells = tuple(
        s.Cell.NUMBER if kind in {"tensor(float)", "tensor(double)"} else _CELLS[graph.types[name]]
        for name, kind in zip(inputs, kinds, strict=True)
    )
    labels = model.classes_ or ()
    has_label = bool(labels) and model.prediction is not None
    count = sum(model.width(name, graph) for name in model.answers)
    outputs = graph.numbered("onnx", count)
    graph.add(
        s.Onnx(
            inputs,
            outputs,
            cells,
            np.frombuffer(model.file, np.uint8),
            tuple(model.answers),
            labels if has_label else (),
        )
    )
    if not labels:
        return Outputs(outputs)
    probabilities = outputs[1:] if has_label else outputs
    if probabilities and len(probabilities) != len(labels):
        raise graph.refuse(
            f"it gives {len(probabilities)} probabilities for {len(labels)} labels",
            "name the labels in the order of the probabilities: OnnxModel(file, classes=[…]); a "
            "net that gives the probability of one class alone is published without classes",
        )
    label = outputs[:1] if has_label else graph.add(s.Argmax(probabilities, graph.label()))
    return Outputs(label, labels, probabilities)


def _bytes_of(source: Any) -> bytes:
    if isinstance(source, bytes):
        return source
    if hasattr(source, "SerializeToString"):
        return source.SerializeToString()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise _refusal(f"{source} cannot be read: {error}", "give the path of a file") from error


def _session(file: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        message = "Reading an ONNX model needs onnxruntime: pip install 'foresql[onnx]'"
        raise SignatureError(message) from error
    try:
        return open_session(onnxruntime, file)
    except Exception as error:
        raise _refusal(f"onnxruntime cannot load it: {error}", "export it again") from error


def _check_inputs(inputs: Sequence[Any]) -> None:
    for each in inputs:
        if each.type not in _TYPES:
            raise _refusal(
                f"its input {each.name!r} is {each.type}",
                "export it with inputs of float, double, int64, int32, bool or string",
            )
        if not each.shape or isinstance(each.shape[0], int) or len(each.shape) > 2:  # noqa: PLR2004 - rows, columns
            raise _refusal(
                f"its input {each.name!r} has the shape {each.shape}, not [rows, columns]",
                "export it with a dynamic first axis: dynamic_axes={'x': {0: 'rows'}} in torch",
            )
        if len(inputs) > 1 and isinstance(each.shape[-1], int) and each.shape[1:] not in ([], [1]):
            raise _refusal(
                f"its input {each.name!r} takes {each.shape[-1]} columns, and there are others",
                "export it with one input of [rows, columns], or with an input a column",
            )


def _cast(column: pa.Array, kind: type) -> NDArray[Any]:
    """Cast a column as numpy does, from float64 to a float and from int64 to an integer."""
    if kind in {np.float32, np.float64}:
        numbers = column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column
        wide = numbers.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            return wide.astype(kind)
    if column.null_count:
        message = f"A value is missing, and the graph takes {kind.__name__}."
        raise ValueError(message)
    return column.to_numpy(zero_copy_only=False).astype(kind)


def _refusal(reason: str, way_out: str) -> UnsupportedModelError:
    return UnsupportedModelError("onnx", reason, way_out)


PREDICTORS = {"OnnxModel": convert_onnx}
