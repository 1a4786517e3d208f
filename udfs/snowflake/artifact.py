"""A version of a model as the file that Snowflake imports, and as the body of a function.

The file is a zip with a copy of the modules that score this model, under a package name of its own:
several versions and models may be loaded into one process. It is written uncompressed, because the
output of a compressor depends on its release; the same model gives the same bytes everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import UnsupportedModelError
from ...ir import steps as s
from ...ir.archive import pack
from ...ir.bundle import Bundle, encode_bundle
from ..answers import EXPLAIN
from .functions import served_functions
from .sources import collect_sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...ir import Model
    from .functions import ServedFunction

RUNTIME = "3.11"
PACKAGES = ("numpy==2.3.5", "pandas==2.3.3")
"""What the handler needs, and is tested with."""

MOST_INLINE = 1_000_000 - 50_000
"""The characters of a body: a statement has at most 1 MB, of which some is left for the rest.
Source: https://docs.snowflake.com/en/user-guide/query-size-limits
"""

_MODEL = "model.foresql"
_HANDLER = "udfs/snowflake/handler/"
_LINE = 100
_ROOT = '''"""{title}"""

from .udfs.snowflake.handler import limits  # noqa: F401, I001 - before numpy is loaded
from .udfs.snowflake.handler.entry import explain, interval, load, predict, predict_proba

__all__ = ["explain", "interval", "load", "predict", "predict_proba"]
'''
_INLINE = '''"""{title}"""
import base64, os, sys, tempfile

_ZIP = base64.b64decode("""
{encoded}
""")
_PATH = os.path.join(tempfile.gettempdir(), "{module}-{digest}.zip")
def _written():
    try:
        with open(_PATH, "rb") as file:
            return file.read() == _ZIP
    except OSError:
        return False
if not _written():
    _number, _part = tempfile.mkstemp(dir=tempfile.gettempdir())
    with os.fdopen(_number, "wb") as file:
        file.write(_ZIP)
    os.replace(_part, _PATH)
sys.path.insert(0, _PATH)
from {module} import explain, interval, load, predict, predict_proba
'''


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a version needs in Snowflake.

    Attributes
    ----------
    module
        The package in the zip; it carries the version and a hash of all that is in it.
    content, digest
        The zip, and its sha256.
    inline
        The body of a function that needs no import, where it is not too long for a statement; its
        handler is the entry alone.
    """

    module: str
    content: bytes
    digest: str
    inline: str | None
    folder: str

    @property
    def file_name(self) -> str:
        """The name of the zip; no other version has it."""
        return f"{self.module}.zip"

    @property
    def stage_path(self) -> str:
        """Where it lies below the stage: another content is another path."""
        return f"{self.folder}-{self.digest[:16]}/{self.file_name}"

    def handler(self, function: ServedFunction) -> str:
        """Give what HANDLER says where the zip is imported."""
        return f"{self.module}.{function.entry}"


def artifact_on_stage(path: str, digest: str) -> Artifact | None:
    """Name an artifact by the path where a deployment put it; its content is not known here."""
    folder, _, file = path.rpartition("/")
    named = folder.removesuffix(f"-{digest[:16]}")
    found = Artifact(file.removesuffix(".zip"), b"", digest, None, named)
    return found if found.stage_path == path else None


def build_artifact(bundle: Bundle, name: str, version: int) -> Artifact:
    """Build the zip of a version.

    Raises
    ------
    UnsupportedModelError
        If the model is kept whole, as an ONNX file or a scikit-learn object.
    """
    _refuse_whole(bundle.model)
    title = f"Version {version} of the model {name!r}.".replace("\\", "").replace('"', "'")
    members = _members(bundle.model, title)
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "model"
    module = f"foresql_{slug}_v{version}_{_hash_of(members)[:8]}"
    content = pack({f"{module}/{path}": blob for path, blob in members.items()})
    digest = hashlib.sha256(content).hexdigest()
    inline = _inline(title, module, content, digest)
    return Artifact(module, content, digest, inline, f"{slug}/v{version}")


def _refuse_whole(model: Model) -> None:
    for step in model.steps:
        if isinstance(step, s.Whole):
            kind, library = (
                ("ONNX", "onnxruntime") if isinstance(step, s.Onnx) else ("skops", "scikit-learn")
            )
            raise UnsupportedModelError(
                f"{kind} step",
                f"it is run by {library}, and what is deployed to Snowflake needs numpy and pandas "
                "only, so that its answers do not depend on a release there",
                "publish the fitted estimator itself, where foresql translates it (see "
                "docs/coverage.md); or score this model in DuckDB, by `foresql score`",
            )


def _members(model: Model, title: str) -> dict[str, bytes]:
    functions, _ = served_functions(model)
    roots = [f"{_HANDLER}{name}.py" for name in ("limits", "entry")]
    explains = any(function.kind == EXPLAIN for function in functions)
    kinds = frozenset(type(step).__name__ for step in model.steps)
    without = frozenset() if explains else frozenset({f"{_HANDLER}explaining.py"})
    sources = collect_sources(tuple(roots), kinds, without)
    content, _ = encode_bundle(Bundle(model))
    texts = {"__init__.py": _ROOT.format(title=title), **sources}
    return {**{path: text.encode() for path, text in texts.items()}, _MODEL: content}


def _hash_of(members: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for path, blob in members.items():
        whole.update(f"{path}\0{len(blob)}\0".encode() + blob)
    return whole.hexdigest()


def _inline(title: str, module: str, content: bytes, digest: str) -> str | None:
    text = base64.b64encode(content).decode()
    lines = "\n".join(text[start : start + _LINE] for start in range(0, len(text), _LINE))
    body = _INLINE.format(title=title, encoded=lines, module=module, digest=digest[:16])
    return body if len(body) <= MOST_INLINE else None
