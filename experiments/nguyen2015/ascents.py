"""The settings in which images ascend, by name, and runs of them.

`R` images of a setting: all classes from the first start, then from the second, ...; at most `T`
images are shown on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
import optax
from jax import Array
from jaxtyping import Bool, Float, Int

import jfool
from experiments.lab.progress import sweep_progress
from experiments.nguyen2015.watched_ascent import WatchedAscent
from models.normalization import IMAGENET

FIGURE_13, FROM_THE_MEAN = "fig13", "no_noise"
MEAN = np.array(IMAGENET.mean, np.float32)
_MOST_CLASSES = 1000  # a job's id is its start times this, plus its class


@dataclass(frozen=True)
class Setting:
    """
    Attributes:
      title: as tables call it.
      early, late: gains at which a step aims; see `jfool.progress`.
      regularizers: what happens to the image behind each step.
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
SETTINGS = MappingProxyType(
    {
        FIGURE_13: Setting("Figure 13", 0.02, 0.1),
        FROM_THE_MEAN: Setting("as 13, without noise", 0.02, 0.1, noise=0.0, ours=True),
        "s3": Setting("S3: decay", 0.03, 0.02, _DECAY, 1500),
        "s4": Setting("S4: blur, sparse", 0.03, 0.05, _SPARSE, 1500),
        "s5": Setting("S5: more blur", 0.03, 0.05, _BLUR, 1000),
        "s3_long": Setting("as S3, steps x 10", 0.3, 0.2, _DECAY, 1500, ours=True),
        "s4_long": Setting("as S4, steps x 10", 0.3, 0.5, _SPARSE, 1500, ours=True),
        "s5_long": Setting("as S5, steps x 30", 0.9, 1.5, _BLUR, 1000, ours=True),
    }
)


@dataclass(frozen=True)
class Ascents:
    """
    Attributes:
      labels: `[R]`, the classes sought.
      confidence: `[R]`, recomputed from the last images.
      prediction: `[R]`.
      confidence_uint8: `[R]`, after rounding to 8 bits.
      stopped: `[R]`, whether the ascent came to the confidence that ends it.
      reached: `[R]`, whether the recomputed confidence is there too.
      reached_uint8: `[R]`, whether it still is after rounding.
      num_steps, num_gradients: `[R]`.
      images: `[R, H, W, C]`, the last ones.
      course: `[R, T]`, confidence of each image shown; NaN behind the last.
      variation: `[R, T]`, total variation of each.
    """

    labels: Int[np.ndarray, " R"]
    confidence: Float[np.ndarray, " R"]
    prediction: Int[np.ndarray, " R"]
    confidence_uint8: Float[np.ndarray, " R"]
    stopped: Bool[np.ndarray, " R"]
    reached: Bool[np.ndarray, " R"]
    reached_uint8: Bool[np.ndarray, " R"]
    num_steps: Int[np.ndarray, " R"]
    num_gradients: Int[np.ndarray, " R"]
    images: Float[np.ndarray, "R H W C"]
    course: Float[np.ndarray, "R T"]
    variation: Float[np.ndarray, "R T"]

    @property
    def last_variation(self) -> Float[np.ndarray, " R"]:
        """`[R]`, total variation of the last images."""
        return self.variation[np.arange(len(self.labels)), self.num_steps]


def ascend(
    setting: Setting,
    model: Any,
    image_shape: tuple[int, int, int],
    num_classes: int,
    labels: Sequence[int],
    *,
    starts: int,
    num_steps: int,
    most_steps: int,
    stop: float,
    seed: int,
    lanes: int,
    folder: Path,
) -> Ascents:
    """Climbs to all classes; what lies in the folder is not climbed again.

    A class and a start have the same draw of noise in all settings that have noise.

    Args:
      starts: draws of noise, each with an ascent for every class.
      num_steps: the most of an ascent.
      most_steps: of any setting beside this one, so that all share a compiled program.
      stop: confidence at which an ascent ends, if the setting has no number of steps.
    """
    attack = attack_of(setting, image_shape, num_classes, most_steps)
    found_labels = np.tile(np.asarray(labels), starts)
    ids = np.repeat(np.arange(starts), len(labels)) * _MOST_CLASSES + found_labels
    jobs = jfool.AscentJob(label=found_labels, base=np.tile(MEAN, (len(ids), 1)))
    lanes = min(lanes, len(ids))
    with sweep_progress(setting.title) as on_progress:
        found = jfool.sweep(
            jax.random.key(seed),
            attack,
            model,
            jobs,
            num_steps=num_steps,
            until=None if setting.steps else jfool.confident(stop),
            folder=folder,
            lanes=lanes,
            chunk=lanes,
            job_ids=ids,
            on_progress=on_progress,
        )
    order = np.argsort(np.argsort(ids))  # rows are by id, we are by start and then as asked
    column = {name: found.column(name)[order] for name in _COLUMNS}
    return Ascents(
        labels=found_labels,
        reached=column.pop("success"),
        reached_uint8=column.pop("success_uint8"),
        course=column.pop("notes.confidence"),
        variation=column.pop("notes.variation"),
        images=found.images(attack, jfool.AscentJob)[order],
        **column,
    )


_COLUMNS = (
    *("confidence", "prediction", "confidence_uint8", "stopped", "success", "success_uint8"),
    *("num_steps", "num_gradients", "notes.confidence", "notes.variation"),
)


def attack_of(
    setting: Setting, image_shape: tuple[int, int, int], num_classes: int, most_steps: int
) -> WatchedAscent:
    """The attack of a setting."""
    gains = np.array([setting.early, setting.late], np.float32)
    ascent = jfool.GradientAscent(gains, _progress)
    fooling = jfool.GradientFooling(
        image_shape,
        num_classes,
        ascent=ascent,
        regularizers=setting.regularizers,
        start=jfool.NearBase(setting.noise),
    )
    return WatchedAscent(fooling, most_steps)


def _progress(gains: Float[Array, "2"]) -> optax.GradientTransformationExtraArgs:
    """`jfool.progress` with both of its gains as numbers that need no new compilation."""
    return jfool.progress(gains[0], gains[1])
