"""jfool: fooling images and sparse attacks as pure functions on JAX.

An attack is search x encoding x objective, a small frozen pytree; a model is any callable pytree
`images [B, H, W, C] in [0, 1] -> logits [B, K]`; `run` is the loop.
"""

import importlib
from typing import TYPE_CHECKING, Any

from jfool.attacks import (
    APGD,
    BIM,
    FAB,
    FGSM,
    MIFGSM,
    PGD,
    DeepFool,
    EvolvedFooling,
    FeatureInversion,
    GradientFooling,
    GreedyFooling,
    HotCold,
    InTurn,
    OnePixel,
    Restarts,
    SparseFooling,
    Square,
)
from jfool.attacks.auto_attack import auto_attack
from jfool.attacks.evolved_fooling import EvolutionJob
from jfool.attacks.feature_inversion import InversionJob
from jfool.attacks.gradient_fooling import AscentJob, NearBase, Uniform
from jfool.attacks.perturbing import PerturbationJob, least_likely
from jfool.attacks.stage import Stage
from jfool.base import Attack, Candidate, Info
from jfool.composition import Composition
from jfool.constraints import L0, L1, L2, Linf
from jfool.counting import counted
from jfool.criteria import confident, misclassified, suppressed
from jfool.defenses import Averaged, straight_through
from jfool.encodings import (
    CPPN,
    BoundedMutation,
    DirectPixels,
    NoCrossover,
    Pixels,
    PolynomialMutation,
    SimulatedBinaryCrossover,
    SparseJob,
    SparsePixels,
)
from jfool.evaluate import Evaluate
from jfool.jobs import grid
from jfool.objectives import (
    AtMost,
    Confidence,
    LogConfidence,
    Logit,
    LogitRatio,
    Margin,
    TargetLogitRatio,
    Untargeted,
)
from jfool.perturb import perturb
from jfool.regularizers import Regularizers
from jfool.renamed import EXPORTS
from jfool.result import AttackResult
from jfool.rows import Rows
from jfool.run import run
from jfool.search import (
    DifferentialEvolution,
    GradientAscent,
    GreedySearch,
    MAPElites,
    confidence_steps,
)
from jfool.version import __version__
from jfool.wrap import wrap

if TYPE_CHECKING:
    from jfool import examples
    from jfool.robustness import robust_accuracy
    from jfool.sweeps import read_sweep, sweep

__all__ = [
    "APGD",
    "BIM",
    "CPPN",
    "FAB",
    "FGSM",
    "L0",
    "L1",
    "L2",
    "MIFGSM",
    "PGD",
    "AscentJob",
    "AtMost",
    "Attack",
    "AttackResult",
    "Averaged",
    "BoundedMutation",
    "Candidate",
    "Composition",
    "Confidence",
    "DeepFool",
    "DifferentialEvolution",
    "DirectPixels",
    "Evaluate",
    "EvolutionJob",
    "EvolvedFooling",
    "FeatureInversion",
    "GradientAscent",
    "GradientFooling",
    "GreedyFooling",
    "GreedySearch",
    "HotCold",
    "InTurn",
    "Info",
    "InversionJob",
    "Linf",
    "LogConfidence",
    "Logit",
    "LogitRatio",
    "MAPElites",
    "Margin",
    "NearBase",
    "NoCrossover",
    "OnePixel",
    "PerturbationJob",
    "Pixels",
    "PolynomialMutation",
    "Regularizers",
    "Restarts",
    "Rows",
    "SimulatedBinaryCrossover",
    "SparseFooling",
    "SparseJob",
    "SparsePixels",
    "Square",
    "Stage",
    "TargetLogitRatio",
    "Uniform",
    "Untargeted",
    "__version__",
    "auto_attack",
    "confidence_steps",
    "confident",
    "counted",
    "examples",
    "grid",
    "least_likely",
    "misclassified",
    "perturb",
    "read_sweep",
    "robust_accuracy",
    "run",
    "straight_through",
    "suppressed",
    "sweep",
    "wrap",
]


def __getattr__(name: str) -> Any:
    """Loads sweeps and examples on demand: sweeps need pyarrow and orbax, which `run` does not."""
    if name in EXPORTS:
        raise AttributeError(f"jfool.{name} is now called jfool.{EXPORTS[name]}")
    if name in ("examples", "metrics"):
        return importlib.import_module(f"jfool.{name}")
    if name not in ("read_sweep", "robust_accuracy", "sweep"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from jfool import robustness, sweeps
    except ModuleNotFoundError as error:
        raise ImportError(
            f'jfool.{name} needs {error.name}: pip install "jfool[sweep]"', name=error.name
        ) from error
    return getattr(robustness if name == "robust_accuracy" else sweeps, name)
