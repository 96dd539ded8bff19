"""Rates, and how certain a measured rate is."""

import dataclasses
import math
from typing import Any

import numpy as np

from jfool.arguments import is_number, is_whole

_Z = 1.959963984540054  # the normal distribution's quantile of 97.5 %


def wilson(rate: float | np.floating | int, trials: int | np.integer) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate that was measured in independent trials. (Wilson, 1927)

    It lies in [0, 1], and it has a width at rates of 0 and 1, where the normal approximation has
    none.

    Args:
      rate: successes / trials.
      trials: how many there were, at least 1.
    Returns:
      (low, high).
    Raises:
      ValueError: the rate is outside [0, 1], or there were no trials.
    Reference: Probable inference, the law of succession, and statistical inference, JASA 22.
    Example:
      >>> low, high = wilson(0.0, 10)
      >>> low, round(high, 3)
      (0.0, 0.278)
    """
    if not (is_number(rate) and 0 <= rate <= 1):
        raise ValueError(f"rate: expected a number in [0, 1], got {rate!r}")
    if not is_whole(trials, 1):
        raise ValueError(f"trials: expected a whole number of at least 1, got {trials!r}")
    rate, trials = float(rate), int(trials)
    scale = 1 + _Z**2 / trials
    center = (rate + _Z**2 / (2 * trials)) / scale
    spread = _Z * math.sqrt(rate * (1 - rate) / trials + (_Z / (2 * trials)) ** 2) / scale
    return max(center - spread, 0.0), min(center + spread, 1.0)


@dataclasses.dataclass(frozen=True)
class Rate:
    """A measured share of images.

    Attributes:
      rate: NaN if there are no images.
      low, high: its 95 % interval (`wilson`).
      num_images: the denominator.
    """

    rate: float
    low: float
    high: float
    num_images: int


def attack_rates(result: Any, labels: Any) -> dict[str, Rate]:
    """Accuracy before and after an attack, and how often the attack succeeded.

    Args:
      result: `jfool.AttackResult` of attacks on images with a true class.
      labels: `[N]`, the true classes.
    Returns:
      `clean_accuracy` and `robust_accuracy` over all images: an image that was wrong before the
      attack is not robust. `success_rate` and `success_rate_uint8` over the images that were right
      before.
    Raises:
      ValueError: there is no label for each image, or the jobs had no image.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> image, labels = jnp.full((2, 2, 2, 3), 0.5), jnp.array([0, 1])
      >>> jobs = jfool.PerturbationJob(image, jnp.array([0.1, 0.1]), labels)
      >>> attack = jfool.FGSM((2, 2, 3), 3)
      >>> result = jfool.run(jax.random.key(0), attack, model, jobs, num_steps=1, keep="last")
      >>> {name: (rate.rate, rate.num_images) for name, rate in attack_rates(result, labels).items()}
      ... # doctest: +NORMALIZE_WHITESPACE
      {'clean_accuracy': (0.5, 2), 'robust_accuracy': (0.0, 2), 'success_rate': (1.0, 1),
       'success_rate_uint8': (1.0, 1)}
    """
    labels = np.asarray(labels)
    if result.clean_prediction is None:
        raise ValueError("result: expected attacks on images, got jobs without image or base")
    clean = np.asarray(result.clean_prediction)
    if labels.shape != clean.shape:
        raise ValueError(f"labels: expected {list(clean.shape)}, got {list(labels.shape)}")
    right = clean == labels
    found, rounded = (np.asarray(of)[right] for of in (result.success, result.success_uint8))
    robust = right.copy()
    robust[right] = ~found
    return {
        "clean_accuracy": _rate(right),
        "robust_accuracy": _rate(robust),
        "success_rate": _rate(found),
        "success_rate_uint8": _rate(rounded),
    }


def _rate(holds: np.ndarray) -> Rate:
    if not len(holds):
        return Rate(math.nan, 0.0, 1.0, 0)
    rate = float(holds.mean())
    return Rate(rate, *wilson(rate, len(holds)), len(holds))
