"""jfool: fooling images and sparse attacks as pure functions on JAX.

An attack is search x encoding x objective, a small frozen pytree; a model is any callable pytree
`images [B, H, W, C] in [0, 1] -> logits [B, K]`; `run` is the loop.
"""

from jfool.attacks import OnePixel, SparseFooling
from jfool.base import Attack, Candidate
from jfool.composition import Composition
from jfool.criteria import confident, misclassified, suppressed
from jfool.encodings import Pixels, SparseJob, SparsePixels
from jfool.evaluate import Evaluate
from jfool.jobs import grid
from jfool.objectives import Confidence, LogConfidence, Margin, Untargeted
from jfool.run import AttackResult, run
from jfool.search import DifferentialEvolution
from jfool.version import __version__
from jfool.wrap import wrap

__all__ = [
    "Attack",
    "AttackResult",
    "Candidate",
    "Composition",
    "Confidence",
    "DifferentialEvolution",
    "Evaluate",
    "LogConfidence",
    "Margin",
    "OnePixel",
    "Pixels",
    "SparseFooling",
    "SparseJob",
    "SparsePixels",
    "Untargeted",
    "__version__",
    "confident",
    "grid",
    "misclassified",
    "run",
    "suppressed",
    "wrap",
]
