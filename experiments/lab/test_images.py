"""Which test images are attacked, and what each is driven to.

`M` test images, `I` of them chosen.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Int

import models
from experiments.lab.predict import as_floats, probabilities
from experiments.lab.records import Records
from experiments.lab.victims import Victim

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


def choose_correct(
    key: jax.Array, victim: Victim, dataset: models.Dataset, num_images: int
) -> Records:
    """Test images that a network classifies correctly, drawn at random.

    Returns:
      A record for each: `image_id`, `label`, `clean_confidence` in it, and `base`, the image.
    Raises:
      ValueError: it classifies fewer correctly.
    """
    before = probabilities(victim.model, dataset.test_images)
    chosen = choose(key, before.argmax(1) == dataset.test_labels, num_images)
    if len(chosen) < num_images:
        raise ValueError(
            f"num_images: expected at most the {len(chosen)} test images of {dataset.name} that "
            f"{victim.name} classifies correctly, got {num_images} (ask for fewer)"
        )
    return Records.of(
        image_id=chosen,
        label=dataset.test_labels[chosen],
        clean_confidence=before.max(1)[chosen],
        base=as_floats(dataset.test_images[chosen]),
    )


def every_target(images: Records, num_classes: int, ks: Sequence[int]) -> Records:
    """Each image with each class but its own, and each k, by a `job_id` that depends on nothing
    else."""
    row, target, k = (
        part.ravel() for part in np.meshgrid(range(len(images)), range(num_classes), ks)
    )
    ids = (images["image_id"][row] * num_classes + target) * _K_SLOTS + k
    order = np.argsort(ids)
    order = order[(target != images["label"][row])[order]]
    jobs = images.rows(row[order])
    return jobs.plus(job_id=ids[order], target=target[order], k=k[order])


def first_of_each_class(
    dataset: models.Dataset, count: int, setting: str, among: Bool[np.ndarray, " M"] | None = None
) -> Int[np.ndarray, " I"]:
    """Indices of the first `count` test images of each class, class by class.

    Args:
      setting: what the user calls `count`.
      among: which test images may be taken; by default all.
    Raises:
      ValueError: a class has fewer.
    """
    labels = np.where(True if among is None else among, dataset.test_labels, -1)
    rows = [np.flatnonzero(labels == label)[:count] for label in range(len(dataset.class_names))]
    if (fewest := min(map(len, rows))) < count:
        raise ValueError(
            f"{setting}: expected at most {fewest}, as one class of {dataset.name} has no more "
            f"test images to choose from, got {count} (ask for fewer)"
        )
    return np.concatenate(rows)
