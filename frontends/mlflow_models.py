"""MLflow's models: which file of a folder, or of an address, holds the model."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ForesqlError, UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/")
_DESCRIPTION = "MLmodel"
_MOST_BYTES = 2**20
_MEMBERS: Mapping[str, str] = {
    "lightgbm": "data",
    "xgboost": "data",
    "catboost": "data",
    "onnx": "data",
    "sklearn": "pickled_model",
}
"""Flavors whose files are read, and where each names its file."""

_SAFE = (".lgb", ".txt", ".json", ".ubj", ".cb", ".cbm", ".onnx", ".skops")
_INSTALL = "pip install mlflow-skinny"


@contextmanager
def model_file_of(source: str | Path) -> Generator[Path]:
    """Find the model file: a file is itself, a folder is MLflow's, an address is downloaded.

    Raises
    ------
    UnsupportedModelError
        If MLflow holds the model as a pickle, or as none of the kinds that are read.
    ForesqlError
        If there is no such thing, or MLflow cannot get it.
    """
    if str(source).startswith(_SCHEMES):
        with tempfile.TemporaryDirectory(prefix="foresql-") as folder:
            yield _inside(_download(str(source), folder))
        return
    path = Path(source)
    if not path.is_dir() and not path.is_file():
        message = f"There is no file or folder {source}."
        raise ForesqlError(message)
    yield _inside(path) if path.is_dir() else path


def _download(address: str, folder: str) -> Path:
    try:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        message = f"{address} is an address of MLflow, which is not installed: {_INSTALL}"
        raise ForesqlError(message) from error
    try:
        return Path(download_artifacts(artifact_uri=address, dst_path=folder))
    except (MlflowException, OSError) as error:
        message = f"MLflow cannot get {address}: {error}"
        raise ForesqlError(message) from error


def _inside(folder: Path) -> Path:
    """Name the file of a folder's flavor."""
    description = folder / _DESCRIPTION
    if folder.is_file():
        return folder
    if not description.is_file():
        message = f"{folder.name} is no MLflow model: it holds no file {_DESCRIPTION}."
        raise ForesqlError(message)
    flavors = _flavors(description)
    for flavor, member in _MEMBERS.items():
        if flavor in flavors:
            return _checked(folder, flavor, str(flavors[flavor].get(member) or ""))
    raise UnsupportedModelError(
        folder.name,
        f"its MLflow flavors are {sorted(flavors)}, none of which is read",
        f"log the model with one of {sorted(_MEMBERS)}, or load it and call foresql.publish",
    )


def _checked(folder: Path, flavor: str, member: str) -> Path:
    path = (folder / member).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        message = f"{folder.name}: its {_DESCRIPTION} names a file {member!r} that is not there."
        raise ForesqlError(message)
    if path.suffix.lower() not in _SAFE:
        raise UnsupportedModelError(
            folder.name,
            f"MLflow holds this {flavor} model as a pickle ({member}), and reading a pickle runs "
            "the code in it",
            "load it yourself and call foresql.publish, or log it again with "
            "serialization_format='skops'",
        )
    return path


def _flavors(description: Path) -> dict[str, dict[str, Any]]:
    """Read the flavors of an ``MLmodel`` file, with YAML's loader that makes plain values only."""
    try:
        import yaml
    except ImportError as error:
        message = f"Reading a folder of MLflow needs what MLflow brings with it: {_INSTALL}"
        raise ForesqlError(message) from error
    try:
        content = description.read_bytes()
        if len(content) > _MOST_BYTES or b"<<" in content:
            # Merged mappings let a small text stand for a huge one.
            message = f"{description} is no {_DESCRIPTION} that MLflow writes."
            raise ForesqlError(message)
        flavors = yaml.safe_load(content)["flavors"]
        return {str(name): dict(members) for name, members in flavors.items()}
    except (OSError, yaml.YAMLError, AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"{description} cannot be read: {error}"
        raise ForesqlError(message) from error
    except RecursionError as error:
        message = f"{description} nests too deeply."
        raise ForesqlError(message) from error
