"""Which photographs are attacked, and what each is driven to.

`M` test images, `I` of them chosen, `N` jobs.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Int

_K_SLOTS = 2048  # of job ids; an image of the data sets has at most 1024 pixels
_NO_JOB = 2**31 - 1  # what images are drawn with


def choose(
    key: jax.Array, correct: Bool[np.ndarray, " M"], num_images: int
) -> Int[np.ndarray, " I"]:
    """Indices of images, drawn at random from those classified correctly, ascending; all where
    there are no more. Networks that classify the same images correctly get the same."""
    order = jax.random.permutation(jax.random.fold_in(key, _NO_JOB), len(correct))
    order = np.asarray(order)
    return np.sort(order[correct[order]][:num_images])


def job_ids(
    images: Int[np.ndarray, " I"],
    labels: Int[np.ndarray, " M"],
    num_classes: int,
    ks: Sequence[int],
) -> Int[np.ndarray, " N"]:
    """One for each image, class but its own, and k: whichever others there are beside it."""
    image, target, k = (part.ravel() for part in np.meshgrid(images, range(num_classes), ks))
    ids = (image * num_classes + target) * _K_SLOTS + k
    return np.sort(ids[target != labels[image]])


def parts(
    ids: Int[np.ndarray, " N"], num_classes: int
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """k, image and target of jobs."""
    pairs, k = np.divmod(ids, _K_SLOTS)
    image, target = np.divmod(pairs, num_classes)
    return k, image, target
