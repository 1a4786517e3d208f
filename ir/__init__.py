"""What a fitted model is: a signature, steps over named columns, and outputs. numpy only."""

from .model import Model, Outputs
from .signature import Column, ColumnType, Scalar, Signature
from .steps import Step
from .trees import Trees

__all__ = ["Column", "ColumnType", "Model", "Outputs", "Scalar", "Signature", "Step", "Trees"]
