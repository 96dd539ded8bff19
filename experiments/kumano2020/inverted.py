"""What feature inversion found, and how near it came to the natural images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

import jfool
import models
from jfool.features import cosine, num_altered, relative_distance, show_features

_MOST_ALTERED = 0.25  # of all pixels, where one lambda is chosen
_CLEAR = 0.3  # the paper's threshold of an altered pixel in its heat maps


@dataclass(frozen=True, eq=False)
class Found:
    """Axes: base colours, lambdas, natural images.

    Attributes:
      images: `[colors, lambdas, N, H, W, C]`.
      labels: `[N]`, classes of the natural images.
      confidence: of that class, of the images found.
      cosine, distance: between the features of image and natural image.
      altered, clear: how many pixels differ from the base at all, and by more than 0.3.
    """

    images: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    cosine: np.ndarray
    distance: np.ndarray
    altered: np.ndarray
    clear: np.ndarray

    def chosen(self, color: int) -> int:
        """The least lambda at whose median at most a quarter of the pixels are altered; if there is
        none, the one with the fewest."""
        num_pixels = self.images.shape[3] * self.images.shape[4]
        share = np.median(self.altered[color], axis=1) / num_pixels
        fits = np.flatnonzero(share <= _MOST_ALTERED)
        return int(fits[0]) if len(fits) else int(share.argmin())


def natural_images(
    model: Any, dataset: models.Dataset, per_class: int
) -> tuple[Float[np.ndarray, "N H W C"], Int[np.ndarray, " N"]]:
    """The first test images of every class that the network classifies right."""
    images = dataset.test_images.astype(np.float32) / 255
    predicted = show_features(model, images, model.layers[-1]).argmax(1)
    right = predicted == dataset.test_labels
    rows = []
    for label, name in enumerate(dataset.class_names):
        of_class = np.flatnonzero(right & (dataset.test_labels == label))[:per_class]
        if len(of_class) < per_class:
            raise ValueError(
                f"images_per_class: expected {per_class} test images of {name} that the network "
                f"classifies right, got {len(of_class)}"
            )
        rows += of_class.tolist()
    return images[rows], dataset.test_labels[rows].astype(np.int32)


def natural_cosine(model: Any, layer: str, dataset: models.Dataset) -> float:
    """The median cosine between the features of two natural test images of the same class."""
    images = dataset.test_images[:1000].astype(np.float32) / 255
    features = show_features(model, images, layer)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = dataset.test_labels[: len(images)]
    pairs = [
        (of_class @ of_class.T)[np.triu_indices(len(of_class), 1)]
        for label in np.unique(labels)
        for of_class in [features[labels == label]]
    ]
    return float(np.median(np.concatenate(pairs)))


def measures(
    model: Any, layer: str, images: np.ndarray, wanted: np.ndarray, jobs: jfool.InversionJob
) -> dict[str, np.ndarray]:
    """What `Found` says besides the confidence."""
    shape = images.shape[:3]
    flat = images.reshape(-1, *images.shape[3:])
    features, wanted = (
        show_features(model, flat, layer),
        np.tile(wanted, (len(flat) // len(wanted), 1)),
    )
    measured = {
        "cosine": cosine(features, wanted),
        "distance": relative_distance(features, wanted),
        "altered": num_altered(flat, jobs.base),
        "clear": num_altered(flat, jobs.base, _CLEAR),
    }
    return {name: np.asarray(values).reshape(shape) for name, values in measured.items()}
