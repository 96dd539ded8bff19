"""Which pixels fooling images alter, class by class.

`R` images, `K` classes.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

import jfool
from experiments.lab.colors import Color
from experiments.lab.judging import probabilities

THRESHOLD = 0.3  # paper 000, figure 10: an intensity above it is an altered pixel
_ROUNDING = 1e-3  # of a confidence, from one machine to another


@dataclass(frozen=True, eq=False)
class Altered:
    """Images on a base, with classes.

    Attributes:
      images: `[R, H, W, C]` in [0, 1].
      base: `[R, C]`, the colour of each.
      labels: `[R]`, the class of each.
      confidence: `[R]`, in that class, as it was recorded.
    """

    images: Float[np.ndarray, "R H W C"]
    base: Float[np.ndarray, "R C"]
    labels: Int[np.ndarray, " R"]
    confidence: Float[np.ndarray, " R"]

    def positions(self) -> Bool[np.ndarray, "R H W"]:
        """Whether any channel differs from the base by more than the threshold."""
        alpha = np.abs(self.images - self.base[:, None, None])
        return np.any(alpha > THRESHOLD, axis=-1)

    def maps(self, num_classes: int) -> Float[np.ndarray, "K H W"]:
        """For each class the share of its images that alter a pixel; NaN for one without images."""
        positions, empty = self.positions(), np.full(self.images.shape[1:3], np.nan)
        groups = [positions[self.labels == label] for label in range(num_classes)]
        return np.stack([group.mean(0) if len(group) else empty for group in groups])


@dataclass(frozen=True, eq=False)
class Evolved(Altered):
    """
    num_queries: `[R]`, evaluations of the search that found each.
    """

    num_queries: Int[np.ndarray, " R"]


@dataclass(frozen=True, eq=False)
class Inverted(Altered):
    """
    l1_weight: lambda of the inversions.
    """

    l1_weight: float


def read_inverted(
    path: Path, color: Color, image_shape: tuple[int, int, int], num_classes: int
) -> Inverted:
    """The images on a colour in what the experiment `inversion` left.

    Raises:
      ValueError: the file is damaged, or holds something else, or none on that colour.
    """
    names = ("images", "base", "labels", "confidence", "l1_weight")
    try:
        with np.load(path, allow_pickle=False) as file:
            images, base, labels, confidence, l1_weight = (file[name] for name in names)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"inversion: expected an .npz file with {', '.join(names)}, got {path}"
        ) from error
    count = len(labels) if labels.ndim else 0
    shapes = [images.shape, base.shape, labels.shape, confidence.shape, l1_weight.shape]
    expected = [(count, *image_shape), (count, image_shape[2]), (count,), (count,), ()]
    if shapes != expected:
        raise ValueError(f"inversion: expected shapes {expected} in {path}, got {shapes}")
    if count and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"inversion: expected classes 0 to {num_classes - 1} in {path}")
    mine = np.isclose(base, color.base(image_shape[2])).all(1)
    if not mine.any():
        raise ValueError(f"inversion: expected images on {color.name} in {path}, got none")
    return Inverted(images[mine], base[mine], labels[mine], confidence[mine], float(l1_weight))


def check_network_of(altered: Altered, model: Any, source: str) -> None:
    """Refuses images whose recorded confidences are not this network's.

    Raises:
      ValueError: naming where they came from.
    """
    each = np.arange(len(altered.labels))
    measured = probabilities(model, altered.images)[each, altered.labels]
    if not np.allclose(measured, altered.confidence, atol=_ROUNDING):
        worst = np.abs(measured - altered.confidence).argmax()
        raise ValueError(
            f"{source}: expected images that this network is as confident of as was recorded, "
            f"got {measured[worst]:.3f} instead of {altered.confidence[worst]:.3f}"
        )


def of_sweep(folder: Path, k: int, color: Color, shape: tuple[int, int, int]) -> Evolved:
    """The SFIs of a sweep that have the colour and the k asked for, and reach their class.

    Raises:
      FileNotFoundError: it is no folder of a sweep.
      ValueError: it has none, or its images are others.
    """
    try:
        results = jfool.read_sweep(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"de: expected the folder of a sweep, got {folder}") from error
    mine = np.zeros(len(results), bool)
    if len(results):
        base = results.column("job.base")
        same = base.shape[1:] == shape[2:] and np.isclose(base, color.base(shape[2])).all(1)
        label = results.column("job.label")
        mine = same & (results.column("job.k") == k) & (results.column("prediction") == label)
    if not np.any(mine):
        raise ValueError(f"de: expected SFIs with k = {k} on {color.name} in {folder}, got none")
    rows = np.flatnonzero(mine)
    # Genotypes lie inside the image already, whatever rule for its boundary brought them there.
    attack: Any = jfool.SparseFooling(shape, 1, max_k=results.column("genotype").shape[1])
    images = results.images(attack, jfool.SparseJob, rows)
    told = ("job.base", "job.label", "confidence", "num_queries")
    return Evolved(images, *(results.column(name)[rows] for name in told))


def joined(parts: list[Evolved]) -> Evolved:
    """All images, part behind part."""
    names = (field.name for field in dataclasses.fields(Evolved))
    return Evolved(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Overlap:
    """How the pixels of two maps coincide.

    Attributes:
      shared: of the pixels of the first, weighed by its shares, the part that the second has too.
      chance: the part if those pixels lay anywhere: how much of the image the second covers.
      correlation: of the two maps, Pearson's; NaN where one is constant.
    """

    shared: float
    chance: float
    correlation: float


def overlap(first: Float[np.ndarray, "H W"], second: Float[np.ndarray, "H W"]) -> Overlap:
    """Of the maps of one class by two methods; NaN where the first has no pixels, or one is NaN.

    Example:
      >>> one, two = np.array([[1.0, 0.5], [0.0, 0.0]]), np.array([[0.2, 0.0], [0.2, 0.0]])
      >>> found = overlap(one, two)
      >>> round(found.shared, 3), found.chance
      (0.667, 0.5)
    """
    nothing = float("nan")
    if np.isnan(first).any() or np.isnan(second).any():
        return Overlap(nothing, nothing, nothing)
    covered = second > 0
    total = float(first.sum())
    shared = float(first[covered].sum()) / total if total > 0 else nothing
    constant = np.ptp(first) == 0 or np.ptp(second) == 0
    correlation = nothing if constant else np.corrcoef(first.ravel(), second.ravel())[0, 1]
    return Overlap(shared, float(covered.mean()), float(correlation))
