"""What the card says about a model that is kept whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir import steps as s
from ..ir.onnx_session import providers

if TYPE_CHECKING:
    from ..ir import Model


def kept_whole(model: Model) -> dict[str, Any]:
    """Give the card's member, or nothing where the model was translated.

    ``needs`` holds the versions of the libraries that scoring needs, ``types`` those in a file of
    skops that are trusted because the model declares them, ``providers`` what ran an ONNX graph.
    """
    for step in model.steps:
        match step:
            case s.Skops():
                needs = {"scikit-learn": step.release}
                return {"as": "skops", "needs": needs, "types": list(step.types)}
            case s.Onnx():
                import onnxruntime

                needs = {"onnxruntime": onnxruntime.__version__}
                ran = providers(onnxruntime)
                return {"as": "onnx", "needs": needs, "providers": ran}
            case _:
                continue
    return {}
