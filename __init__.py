"""foresql: a trained model inside the data warehouse, with the library's own answer."""

from . import spark
from .certify import Certificate, Published, certify, import_model, publish
from .errors import (
    BundleError,
    CertificationError,
    ForesqlError,
    RegistrationError,
    RegistryError,
    ScoringError,
    SignatureError,
    UnsupportedModelError,
)
from .frontends import OnnxModel
from .registry import Registry
from .scoring import (
    Explanation,
    OnlineModel,
    Rewritten,
    compile_files,
    compile_sql,
    load,
    open_model,
    register,
    rewrite,
    run_query,
    score_batches,
    score_file,
)
from .udfs.duckdb import Registration, connect, unregister

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Certificate",
    "CertificationError",
    "Explanation",
    "ForesqlError",
    "OnlineModel",
    "OnnxModel",
    "Published",
    "Registration",
    "RegistrationError",
    "Registry",
    "RegistryError",
    "Rewritten",
    "ScoringError",
    "SignatureError",
    "UnsupportedModelError",
    "certify",
    "compile_files",
    "compile_sql",
    "connect",
    "import_model",
    "load",
    "open_model",
    "publish",
    "register",
    "rewrite",
    "run_query",
    "score_batches",
    "score_file",
    "spark",
    "unregister",
]
