"""Model files to models, without the libraries that wrote them: one table of formats."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import UnsupportedModelError
from .catboost_cbm import MAGIC
from .catboost_model_file import CatboostFile
from .damage import File, reading
from .lightgbm_file import LightgbmFile
from .onnx_model_file import OnnxFile
from .skops_model_file import SkopsFile
from .xgboost_file import XgboostFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .model_file import ModelFile

    Reader: TypeAlias = Callable[[bytes, str], ModelFile]
    JsonReader: TypeAlias = Callable[[Any, bytes, str], ModelFile]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: what it is called, how it begins, and what reads it."""

    title: str
    starts: tuple[bytes, ...]
    read: Reader


def read_json(content: bytes, where: str) -> ModelFile:
    """Read a JSON model of the library that its members show.

    Raises
    ------
    UnsupportedModelError
        If it is no JSON, or of no known library.
    """
    with reading(File(where)):
        document = json.loads(content)
    members: set[str] = set(document) if isinstance(document, dict) else set()
    for member, read in JSON_READERS.items():
        if member in members:
            return read(document, content, where)
    raise UnsupportedModelError(
        where,
        f"this JSON is no model of a known library: it has none of the members {[*JSON_READERS]}",
        "save it with the library's save_model",
    )


JSON_READERS: Mapping[str, JsonReader] = {
    "learner": XgboostFile.of_document,
    "features_info": CatboostFile.of_document,
}
"""By a member that only this library writes at the top."""

FORMATS: Mapping[str, Format] = {
    ".txt": Format("LightGBM text", (b"tree\n",), LightgbmFile.read),
    ".lgb": Format("LightGBM text", (b"tree\n",), LightgbmFile.read),
    ".json": Format("JSON", (b"{", b"["), read_json),
    ".ubj": Format("UBJSON", (b"{",), XgboostFile.read_ubjson),
    ".cbm": Format("CatBoost file", (MAGIC,), CatboostFile.read),
    ".cb": Format("CatBoost file", (MAGIC,), CatboostFile.read),
    ".onnx": Format("ONNX graph", (b"",), OnnxFile.read),
    ".skops": Format("file of skops", (b"PK",), SkopsFile.read),
}
"""By the ending of the file's name."""

_START = 64
"""How many bytes show how a file begins."""

_PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
_PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def read_model_file(content: bytes, name: str) -> ModelFile:
    """Read a model file's bytes.

    Parameters
    ----------
    content
        The file.
    name
        Its name: the ending says the format, and messages begin with it.

    Raises
    ------
    UnsupportedModelError
        If it is of no known format, damaged, or a model that has no exact translation.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in _PICKLES or content.startswith(_PICKLE_STARTS):
        raise UnsupportedModelError(
            name,
            "it is a pickle, and reading a pickle runs the code in it",
            "load it yourself, and call foresql.publish with the model",
        )
    if suffix not in FORMATS:
        ends = f"a file that ends in {suffix!r} is" if suffix else "a file without an ending is"
        raise UnsupportedModelError(
            name,
            f"{ends} of no known format",
            f"give a model file that ends in {', '.join(FORMATS)}",
        )
    form = FORMATS[suffix]
    if not content[:_START].lstrip().startswith(form.starts):
        raise UnsupportedModelError(
            name,
            f"this is no {form.title}",
            "save the model again with the library that trained it",
        )
    return form.read(content, name)
