"""Ascents by name: the paper's, and ours beside them."""

import functools
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

import jfool
from experiments import lab
from experiments.nguyen2015.watched_ascent import WatchedAscent
from models.normalization import IMAGENET

FIGURE_13, FROM_THE_MEAN = "fig13", "no_noise"
MEAN = np.array(IMAGENET.mean, np.float32)


@dataclass(frozen=True)
class Ascent:
    """
    Attributes:
      title: as tables call it.
      early, late: gains at which a step aims; see `jfool.confidence_steps`.
      regularizers: what happens to the image after each step.
      steps: the paper's; None where the ascent ends at a confidence.
      noise: of the start, a standard deviation; the paper's is one grey level.
      ours: whether the paper has nothing of the kind.
    """

    title: str
    early: float
    late: float
    regularizers: jfool.Regularizers = jfool.Regularizers()
    steps: int | None = None
    noise: float = 1 / 255
    ours: bool = False


_DECAY = jfool.Regularizers(decay=0.01)
_SPARSE = jfool.Regularizers(decay=0.001, blur_radius=0.3, small_norm=20.0, small_benefit=20.0)
_BLUR = jfool.Regularizers(decay=0.001, blur_radius=0.4, blur_every=2)
ASCENTS = MappingProxyType(
    {
        FIGURE_13: Ascent("Figure 13", 0.02, 0.1),
        FROM_THE_MEAN: Ascent("as 13, without noise", 0.02, 0.1, noise=0.0, ours=True),
        "s3": Ascent("S3: decay", 0.03, 0.02, _DECAY, 1500),
        "s4": Ascent("S4: blur, sparse", 0.03, 0.05, _SPARSE, 1500),
        "s5": Ascent("S5: more blur", 0.03, 0.05, _BLUR, 1000),
        "s3_long": Ascent("as S3, steps x 10", 0.3, 0.2, _DECAY, 1500, ours=True),
        "s4_long": Ascent("as S4, steps x 10", 0.3, 0.5, _SPARSE, 1500, ours=True),
        "s5_long": Ascent("as S5, steps x 30", 0.9, 1.5, _BLUR, 1000, ours=True),
    }
)


def attack_of(ascent: Ascent, victim: lab.Victim, most_steps: int) -> WatchedAscent:
    """The attack of an ascent."""
    steps = functools.partial(jfool.confidence_steps, late=ascent.late)
    fooling = jfool.GradientFooling(
        victim.image_shape,
        victim.num_classes,
        ascent=jfool.GradientAscent(ascent.early, steps),
        regularizers=ascent.regularizers,
        start=jfool.NearBase(ascent.noise),
    )
    return WatchedAscent(fooling, most_steps)
