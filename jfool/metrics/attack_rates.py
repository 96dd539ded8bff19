"""Accuracy before and after an attack."""

from typing import Any

import numpy as np

from jfool.metrics.rates import Rate, rate_of
from jfool.numbers import brief, is_kind, known


def attack_rates(result: Any, labels: Any) -> dict[str, Rate]:
    """Accuracy before and after an attack, and how often the attack succeeded.

    Args:
      result: `jfool.AttackResult` of attacks on images with a true class.
      labels: `[N]`, the true classes.
    Returns:
      `clean_accuracy` and `robust_accuracy` over all images: an image that was wrong before the
      attack is not robust, nor is one with which the attack succeeded (a targeted one only if it
      reached its target). `success_rate` and `success_rate_uint8` over the images that were right
      before.
    Raises:
      TypeError, ValueError: there is no label for each image, or the jobs had no image.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> image, labels = jnp.full((2, 2, 2, 3), 0.5), jnp.array([0, 1])
      >>> jobs = jfool.PerturbationJob(image, jnp.array([0.1, 0.1]), labels)
      >>> attack = jfool.FGSM((2, 2, 3), 3)
      >>> result = jfool.run(jax.random.key(0), attack, model, jobs, num_steps=1, keep="last")
      >>> rates = attack_rates(result, labels)
      >>> {name: (rate.rate, rate.num_images) for name, rate in rates.items()}
      ... # doctest: +NORMALIZE_WHITESPACE
      {'clean_accuracy': (0.5, 2), 'robust_accuracy': (0.0, 2), 'success_rate': (1.0, 1),
       'success_rate_uint8': (1.0, 1)}
    """
    if not hasattr(result, "clean_prediction"):
        raise TypeError(f"result: expected a jfool.AttackResult, got {brief(result)}")
    labels = known(labels)
    if not is_kind(labels, np.integer):
        raise TypeError(f"labels: expected classes [N], got {labels.dtype}")
    if result.clean_prediction is None:
        raise ValueError("result: expected attacks on images, got jobs without image or base")
    clean = np.asarray(result.clean_prediction)
    if labels.shape != clean.shape:
        raise ValueError(f"labels: expected {list(clean.shape)}, got {list(labels.shape)}")
    if labels.size and labels.min() < 0:
        raise ValueError(f"labels: expected classes from 0 on, got {labels.min()}")
    right = clean == labels
    found, rounded = (np.asarray(of)[right] for of in (result.success, result.success_uint8))
    robust = right.copy()
    robust[right] = ~found
    return {
        "clean_accuracy": rate_of(right),
        "robust_accuracy": rate_of(robust),
        "success_rate": rate_of(found),
        "success_rate_uint8": rate_of(rounded),
    }
