"""What a file of ``skops.io`` may hold, read without building any of it.

skops audits the types in a file before it builds them. This looks at what skops does not: how much
memory a file asks for, and what the types that a user would have to trust can do. It is done when
a model is published and whenever its bundle is read. Format: ``skops/io/_persist.py``.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

MAX_BYTES = 2**30
_PROTOCOL = 2
_SCHEMA = "schema.json"
_MARKS = frozenset({"__loader__", "__class__", "__module__", "__id__"})
_MOST_SCHEMA_BYTES = 64 * 2**20
_LIBRARIES = ("builtins", "collections", "numpy", "scipy", "sklearn")

_BUILDERS = """
DTypeNode DefaultDictNode DictNode FunctionNode JsonNode ListNode LossNode MaskedArrayNode
NdArrayNode ObjectNode RandomGeneratorNode RandomStateNode SetNode SliceNode TupleNode TypeNode
"""
_LOADERS = frozenset(_BUILDERS.split())
"""How skops may build a part. Not by calling a method, a partial, or a type with arguments."""

_KERNELS = """
CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Hyperparameter Matern
PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel
"""
TRUSTED = frozenset(
    {
        "builtins.object",
        "numpy.dtype",
        "numpy.max",
        "numpy.mean",
        "numpy.median",
        "numpy.min",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.interpolate._interpolate.interp1d",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.cluster._kmeans._kmeans_single_elkan",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.feature_selection._univariate_selection.r_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS.split()),
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
    }
)
"""What may be trusted besides what skops trusts: it holds values and computes with them."""

_WAYS_OUT: Mapping[str, str] = {
    "sklearn.tree._tree.Tree": "publish the fitted model itself: trees have an exact translation",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": (
        "publish the fitted model itself: trees have an exact translation"
    ),
    "sklearn.neighbors._kd_tree.KDTree": "fit it with algorithm='brute'",
    "sklearn.neighbors._ball_tree.BallTree": "fit it with algorithm='brute'",
}
"""Types that follow indices in their arrays unchecked, so that a forged file ends the process."""


def check_skops(file: bytes | memoryview, types: Collection[str]) -> None:
    """Refuse a file that is none of skops', asks for too much memory, or holds unknown types.

    Raises
    ------
    UnsupportedModelError
        The message names the type or member, and what to do.
    """
    check_types(types)
    if len(file) > MAX_BYTES:
        raise _refusal(f"it has {len(file):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            sizes = _sizes(archive, len(file))
            _check_nodes(json.loads(archive.read(_SCHEMA)), sizes)
            for name in sizes.keys() - {_SCHEMA}:
                _check_array(archive, name)
    except UnsupportedModelError:
        raise
    except Exception as error:  # a forged archive can raise about anything
        raise _refusal(f"it cannot be read: {error}") from error


def check_types(types: Collection[str]) -> None:
    """Refuse the first type or function that is not in :data:`TRUSTED`.

    Raises
    ------
    UnsupportedModelError
        The message names it.
    """
    for name in sorted(types, key=lambda name: name not in _WAYS_OUT):
        _refuse_foreign(name)
        if name in _WAYS_OUT:
            raise _refusal(
                f"{name} follows indices that a forged file can point anywhere", _WAYS_OUT[name]
            )
        if name.startswith("scipy.sparse."):
            raise _refusal(
                f"it holds a sparse matrix, {name}",
                "fit it on a dense one: OneHotEncoder(sparse_output=False), X.toarray()",
            )
        if name not in TRUSTED:
            raise _refusal(
                f"{name} is not known to do nothing but compute",
                "use an estimator without it; ask for it at "
                "https://github.com/foresql/foresql/issues",
            )


def _refuse_foreign(name: str) -> None:
    if name.partition(".")[0] not in _LIBRARIES:
        raise _refusal(
            f"{name} is not of scikit-learn, and its code is not in the file",
            "write it as steps of scikit-learn, or compute the column in the query",
        )


def _refuse_reading_files(node: Mapping[str, Any], name: str) -> None:
    """Text vectorizers can take a text for the name of a file, and read that."""
    if not name.startswith("sklearn.feature_extraction."):
        return
    attributes = _content(node.get("content"))
    given = attributes.get("input") if isinstance(attributes, dict) else None
    if given is not None and _content(given) != '"content"':
        raise _refusal(f"{name} reads files", "fit it with input='content'")


def _content(node: Any) -> Any:
    return node.get("content") if isinstance(node, dict) else None


def _sizes(archive: zipfile.ZipFile, size: int) -> dict[str, int]:
    """Give the sizes of all members, none of which is compressed."""
    members = archive.infolist()
    sizes = {member.filename: member.file_size for member in members}
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(sizes.values()) > size or len(sizes) != len(members):
        raise _refusal("its members are compressed, overlap, or have the same name")
    if sizes[_SCHEMA] > _MOST_SCHEMA_BYTES:
        raise _refusal(f"its {_SCHEMA} has {sizes[_SCHEMA]:,} bytes")
    return sizes


def _check_nodes(schema: Any, sizes: Mapping[str, int]) -> None:
    if not isinstance(schema, dict) or schema.get("protocol") != _PROTOCOL:
        raise _refusal(
            f"it is not of protocol {_PROTOCOL}", "publish it again with a current skops"
        )
    arrays: dict[Any, int] = {}
    for node in _nodes(schema):
        loader, name = str(node.get("__loader__")), _name(node)
        _refuse_foreign(name)
        if loader not in _LOADERS:
            raise _refusal(
                f"it holds {name}, built by {loader}",
                _WAYS_OUT.get(
                    name, "use the estimators of scikit-learn as they are, with functions of numpy"
                ),
            )
        if loader == "NdArrayNode":
            arrays[node.get("__id__", id(node))] = _size(node, sizes)
        _refuse_reading_files(node, name)
    if sum(arrays.values()) > MAX_BYTES:
        raise _refusal(f"its arrays have {sum(arrays.values()):,} bytes", "train a smaller model")


def _size(node: Mapping[str, Any], sizes: Mapping[str, int]) -> int:
    """Give the bytes that an array is read from, none of them where it is a list of objects."""
    if node.get("type") == "numpy":
        return sizes[str(node.get("file"))]
    shape = _content(node.get("shape"))
    if not isinstance(shape, list) or len(shape) != 1:
        raise _refusal(
            "it holds an array of objects with several dimensions", "fit it on columns of one type"
        )
    return 0


def _check_array(archive: zipfile.ZipFile, name: str) -> None:
    """Hold what an array declares against the bytes that are there, before any is made."""
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        if version not in read:
            raise _refusal(f"its member {name!r} is no array")
        shape, _, dtype = read[version](member)
        there = archive.getinfo(name).file_size - member.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != there:
        raise _refusal(f"its array {name!r} declares {shape} of {dtype} in {there:,} bytes")


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Walk over everything that skops would build.

    skops builds one object for all nodes of an ``__id__``. So these have to be alike: the file is
    then as large as what it makes, and what is looked at here is what is built.
    """
    seen: dict[Any, dict[str, Any]] = {}
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if not _MARKS.isdisjoint(value):
                mark = value.get("__id__")
                first = seen.setdefault(mark, value) if mark is not None else value
                if first is not value and _unmarked(first) != _unmarked(value):
                    raise _refusal("two of its parts have the same __id__, and differ")
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _unmarked(value: Any) -> Any:
    """Leave out what differs where skops writes an object twice: the marks of temporary parts."""
    if isinstance(value, dict):
        return {k: _unmarked(v) for k, v in value.items() if k not in {"__id__", "file"}}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value


def _name(node: Mapping[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _refusal(reason: str, way_out: str = "publish the model again") -> UnsupportedModelError:
    return UnsupportedModelError("skops", reason, way_out)
