"""What an ONNX file may hold, read from its bytes alone: nothing is run, and nothing allocated.

onnxruntime reads the files that a graph's external data names, and some operators are random, loop,
or mix rows. So a file is looked through before onnxruntime sees it, when it is published and
whenever its bundle is read. Format: ``onnx/onnx.proto``, and protobuf's wire format,
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 2**30
_MOST_NODES = 100_000
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_MORE = 0x80
"""The bit of a byte that says that its number goes on."""

_ONNX = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast
CastLike Ceil Celu Clip Compress Concat Constant ConstantOfShape Conv Cos Cosh CumSum
DequantizeLinear Div Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN
LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul
MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow
QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
Relu Reshape Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice
Softmax Softplus Softsign Split Sqrt Squeeze StringConcat StringNormalizer Sub Sum Swish Tan
Tanh TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor
"""
_ONNX_ML = """
ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder
LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler
TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
"""
OPERATORS = {"ai.onnx": frozenset(_ONNX.split()), "ai.onnx.ml": frozenset(_ONNX_ML.split())}
"""Operators that are run, by domain. None is random, loops, or reads a file."""


class _Field(NamedTuple):
    """A field of a message: its number, and its value; ``content`` is None where it has none."""

    number: int
    value: int
    content: memoryview | None


def check_onnx(file: bytes | memoryview) -> None:
    """Refuse a file that is no ONNX model, or holds what is not run.

    Raises
    ------
    UnsupportedModelError
        The message names the operator or tensor, and what to do.
    """
    if len(file) > MAX_BYTES:
        raise _refusal(f"it has {len(file):,} bytes; at most {MAX_BYTES:,} are read")
    nodes = 0
    graphs = list(_messages(memoryview(file), 7))
    if not graphs:
        raise _refusal("it holds no graph", "give a file that ends in .onnx")
    if next(_messages(memoryview(file), 25), None) is not None:
        raise _refusal(
            "it defines functions of its own", "inline them: onnx.inliner.inline_local_functions"
        )
    for graph in graphs:
        for field in _fields(graph):
            if field.content is None:
                continue
            match field.number:
                case 1:
                    nodes += 1
                    _check_node(field.content)
                case 5:
                    _check_tensor(field.content)
                case 15:
                    raise _refusal("it holds sparse tensors", "store its weights as dense tensors")
                case _:
                    continue
    if nodes > _MOST_NODES:
        raise _refusal(f"it has {nodes:,} nodes; at most {_MOST_NODES:,} are read")


def labels_in(file: bytes | memoryview) -> tuple[str | int, ...] | None:
    """Give the labels that the classifiers of ``ai.onnx.ml`` name, or None where they differ."""
    found = {
        labels
        for graph in _messages(memoryview(file), 7)
        for node in _messages(graph, 1)
        for attribute in _messages(node, 5)
        if (labels := _labels(attribute)) is not None
    }
    return found.pop() if len(found) == 1 else None


def _labels(attribute: memoryview) -> tuple[str | int, ...] | None:
    match bytes(next(_messages(attribute, 1), b"")):
        case b"classlabels_strings":
            return tuple(_text(label) for label in _messages(attribute, 9)) or None
        case b"classlabels_int64s" | b"classlabels_ints":
            return tuple(_integers(attribute, 8)) or None
        case _:
            return None


def _check_node(node: memoryview) -> None:
    names = [_text(content) for content in _messages(node, 4)] or [""]
    domains = [_text(content) or "ai.onnx" for content in _messages(node, 7)] or ["ai.onnx"]
    name, domain = names[-1], domains[-1]
    if name == "ZipMap":
        raise _refusal(
            "it gives probabilities as maps (ZipMap)",
            "convert with options={'zipmap': False}",
        )
    if any(each not in OPERATORS for each in domains):
        raise _refusal(
            f"its operator {name!r} is of domain {domain!r}, and only those of "
            f"{' and '.join(OPERATORS)} are run"
        )
    if any(each not in OPERATORS[space] for each in names for space in domains):
        raise _refusal(f"its operator {domain}.{name} is not run")
    for attribute in _messages(node, 5):
        for field in _fields(attribute):
            if field.content is not None and field.number in {5, 10}:
                _check_tensor(field.content)
            elif field.content is not None and field.number in {6, 11, 22, 23}:
                raise _refusal(f"its operator {name!r} holds a graph or a sparse tensor")


def _check_tensor(tensor: memoryview) -> None:
    name = next((_text(content) for content in _messages(tensor, 8)), "")
    for field in _fields(tensor):
        if field.number == _EXTERNAL_DATA or (field.number == _DATA_LOCATION and field.value):
            raise _refusal(
                f"its tensor {name!r} lies in another file",
                "store the weights inside: onnx.save(model, path, save_as_external_data=False)",
            )
    # A byte holds at most two numbers, of the types that have four bits.
    elements = math.prod(_integers(tensor, 1))
    if not 0 <= elements <= 2 * len(tensor):
        raise _refusal(
            f"its tensor {name!r} declares {elements:,} elements, and holds {len(tensor):,} bytes",
            "export it again: the file is damaged, or made to exhaust memory",
        )


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    for field in _fields(message):
        if field.number == number and field.content is not None:
            yield field.content


def _integers(message: memoryview, number: int) -> Iterator[int]:
    """Give a field of integers, one by one or packed."""
    for field in _fields(message):
        if field.number != number:
            continue
        if field.content is None:
            yield _signed(field.value)
            continue
        place = 0
        while place < len(field.content):
            value, place = _varint(field.content, place)
            yield _signed(value)


def _fields(message: memoryview) -> Iterator[_Field]:
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        match tag & 7:
            case 0:
                value, place = _varint(message, place)
                yield _Field(tag >> 3, value, None)
            case 1:
                place += 8
            case 5:
                place += 4
            case 2:
                size, place = _varint(message, place)
                yield _Field(tag >> 3, size, message[place : place + size])
                place += size
            case _:
                raise _damaged()
    if place != len(message):
        raise _damaged()


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & ~_MORE) << shift
        if not byte & _MORE:
            return value & (2**64 - 1), place
    raise _damaged()


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _text(content: memoryview) -> str:
    try:
        return bytes(content).decode()
    except UnicodeDecodeError:
        raise _damaged() from None


def _damaged() -> UnsupportedModelError:
    return _refusal("it is no ONNX file, or a damaged one", "export it again")


def _refusal(
    reason: str, way_out: str = "export it with the standard operators of ONNX, for inference"
) -> UnsupportedModelError:
    return UnsupportedModelError("onnx", reason, way_out)
