"""Evolved images above the training images that are nearest to them, or above the distances."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

import models
from experiments.lab.gallery import Tile, draw_gallery
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.methods import Runs
from experiments.nguyen2015.nearest import Nearest


def draw_nearest(
    path: Path,
    dataset: models.Dataset,
    runs: Runs,
    near: Mapping[str, Nearest],
    layer: str,
    *,
    show_natural: bool,
) -> None:
    """Draws of each class the champion that is nearest to its class in a layer, classes across.

    Args:
      near: by space, of all champions `[R * cells]`.
      show_natural: draw the training images below, which belong to the data set.
    """
    cells = runs.confidence.shape[1]
    chosen = near[layer].distance.reshape(-1, cells).argmin(0) * cells + np.arange(cells)
    images = runs.images.reshape(-1, *dataset.image_shape)[chosen]
    fooled = runs.prediction.ravel()[chosen] == np.arange(cells)
    captions = [f"{percent(float(confidence))} %" for confidence in runs.confidence.ravel()[chosen]]
    distances = {space: [f"{d:.3g}" for d in of.distance[chosen]] for space, of in near.items()}

    heads = ["evolved"]
    if show_natural:
        footnote = "Below: confidence, and distances."
    else:
        footnote = f"Below: confidence, and distances in {' and '.join(near)}."
        captions = ["\n".join(lines) for lines in zip(captions, *distances.values(), strict=True)]
    rows: list[list[Tile | None]] = [
        [Tile(*shown) for shown in zip(images, captions, map(bool, fooled), strict=True)]
    ]
    for space, of in near.items() if show_natural else ():
        natural = as_floats(dataset.train_images[of.index[chosen]])
        rows.append([Tile(*shown) for shown in zip(natural, distances[space], strict=True)])
        heads.append(f"nearest in\n{space}")
    draw_gallery(path, rows, heads, dataset.class_names, footnote=footnote)


def as_floats(images: Int[np.ndarray, "..."] | Float[np.ndarray, "..."]) -> np.ndarray:
    """Bytes, or floats in [0, 1], as such floats."""
    return images / np.float32(255) if images.dtype == np.uint8 else images
