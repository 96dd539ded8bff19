"""Which pixels fooling images alter, class by class.

`R` images, `K` classes. Images are records with `image`, `base` (the color `[C]` that they were
made from), `target` and `confidence`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

import jfool
from experiments.lab.colors import Color
from experiments.lab.predict import probabilities
from experiments.lab.records import Records
from experiments.lab.section import Cell, floored
from jfool.sweeps import Results

THRESHOLD = 0.3  # Kumano et al., figure 10: an intensity above it is an altered pixel
_ROUNDING = 1e-3  # of a confidence, from one machine to another
Shape = tuple[int, int, int]


def altered(images: Records) -> Bool[np.ndarray, "R H W"]:
    """Whether any channel of a pixel differs from the base by more than the threshold."""
    alpha = np.abs(images["image"] - images["base"][:, None, None])
    return np.any(alpha > THRESHOLD, axis=-1)


def class_maps(images: Records, num_classes: int) -> Records:
    """A record for each class: `target`, `num_images`, and `map` `[H, W]`, the share of its images
    that alter a pixel; NaN where there are no images."""
    pixels, targets = altered(images), images["target"]
    groups = [pixels[targets == target] for target in range(num_classes)]
    nothing = np.full(pixels.shape[1:], np.nan)
    return Records.of(
        target=range(num_classes),
        num_images=list(map(len, groups)),
        map=np.stack([group.mean(0) if len(group) else nothing for group in groups]),
    )


def overlap(first: Float[np.ndarray, "H W"], second: Float[np.ndarray, "H W"]) -> dict[str, Cell]:
    """How the pixels of two maps coincide; nothing where one is NaN.

    Returns:
      shared: of the pixels of the first, weighed by its shares, the part that the second has too.
      by chance: the same if those pixels lay anywhere, which is how much the second covers.
      correlation: of the two maps, Pearson's; None where one is constant.
    Example:
      >>> one, two = np.array([[1.0, 0.5], [0.0, 0.0]]), np.array([[0.2, 0.0], [0.2, 0.0]])
      >>> overlap(one, two)["shared (%)"], overlap(one, two)["by chance (%)"]
      (66, 50)
    """
    if np.isnan(first).any() or np.isnan(second).any():
        return {}
    covered = second > 0
    total = float(first.sum())
    constant = np.ptp(first) == 0 or np.ptp(second) == 0
    correlation = None if constant else float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
    return {
        "shared (%)": floored(float(first[covered].sum()) / total if total > 0 else None),
        "by chance (%)": floored(float(covered.mean())),
        "correlation of the maps": correlation,
    }


def check_network(images: Records, model: Any, source: str) -> None:
    """Refuses images whose recorded confidences are not this network's.

    Raises:
      ValueError: naming where they came from.
    """
    recorded, each = images["confidence"], (np.arange(len(images)), images["target"])
    measured = probabilities(model, images["image"])[each]
    if not np.allclose(measured, recorded, atol=_ROUNDING):
        worst = np.abs(measured - recorded).argmax()
        raise ValueError(
            f"{source}: expected images that this network is as confident of as was recorded, "
            f"got {measured[worst]:.3f} instead of {recorded[worst]:.3f}"
        )


def by_evolution(folder: Path, k: int, color: Color, shape: Shape) -> Records:
    """The SFIs of a sweep that have the color and the k asked for, and reach their class.

    Raises:
      ValueError: it is no folder of such a sweep, or has no such SFIs.
    """
    more = {name: name for name in ("prediction", "num_queries")}
    results, found = _on_color(folder, "de", color, shape, k="job.k", **more)
    found = found.rows((found["k"] == k) & (found["prediction"] == found["target"]))
    if not len(found):
        raise ValueError(f"de: expected SFIs with k = {k} on {color.name} in {folder}, got none")
    # Genotypes lie inside the image already, whatever rule for its boundary brought them there.
    attack: Any = jfool.SparseFooling(shape, 1, max_k=results.column("genotype").shape[1])
    return found.plus(image=results.images(attack, jfool.SparseJob, found["row"]))


def by_inversion(folder: Path, color: Color, shape: Shape) -> Records:
    """The images of a sweep of `inversion` that have the color, and the least lambda in it.

    Raises: as `by_evolution`.
    """
    results, found = _on_color(folder, "inversion", color, shape, l1_weight="job.l1_weight")
    found = found.rows(found["l1_weight"] == found["l1_weight"].min())
    images = results.column("genotype", found["row"])
    if images.shape[1:] != shape:
        raise ValueError(f"inversion: expected images {shape} in {folder}, got {images.shape[1:]}")
    return found.plus(image=images)


def _on_color(
    folder: Path, setting: str, color: Color, shape: Shape, **more: str
) -> tuple[Results, Records]:
    """A sweep, and some columns of its jobs on a color, with their `row` in it."""
    columns = {"target": "job.target", "base": "job.base", "confidence": "confidence", **more}
    try:
        results = jfool.read_sweep(folder)
        read = {name: results.column(column) for name, column in columns.items()}
    except (FileNotFoundError, ValueError) as error:
        expected = f"{setting}: expected a sweep with {', '.join(columns.values())}"
        raise ValueError(f"{expected}, got {folder} ({error})") from error
    found = Records.of(row=range(len(results)), **read)
    if found["base"].shape[1:] == shape[2:]:
        found = found.rows(np.isclose(found["base"], color.base(shape[2])).all(1))
        if len(found):
            return results, found
    raise ValueError(f"{setting}: expected images on {color.name} in {folder}, got none")
