"""Turn a model and rows into numbers."""

from .arrow import Decoder
from .frame import Frame
from .native.program import build_program, program_problem
from .rows import RowScorer
from .scorer import Scorer
from .scores import Scores

__all__ = ["Decoder", "Frame", "RowScorer", "Scorer", "Scores", "build_program", "program_problem"]
