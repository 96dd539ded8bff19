"""Nguyen et al. (2015), figure 10: parts of a fooling image that the network does not need.

The paper removes repeated elements by hand. Here an image is cut into tiles, and the one that costs
the least confidence is painted over, again and again, as long as the network stays sure.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from experiments import lab
from experiments.lab.predict import probabilities
from experiments.nguyen2015.figures import caption, percent
from experiments.nguyen2015.methods import Archives

Image = Float[np.ndarray, "H W C"]


def tiles(height: int, width: int, side: int) -> Int[np.ndarray, "H W"]:
    """The tile of each pixel, `side` x `side` of them, row by row, as even as they can be."""
    down, across = (np.arange(size) * side // size for size in (height, width))
    return side * down[:, None] + across


def ablate(
    model: Any, image: Image, target: int, fill: Float[np.ndarray, " C"], *, side: int, least: float
) -> tuple[Image, list[int], list[float]]:
    """Removes tiles while the confidence in the target stays at `least` or above.

    Args:
      model: that is asked, once for each tile and removal.
      image, target: what is left of which.
      fill: the color that covers removed tiles.
      side: tiles along each side.
      least: confidence.
    Returns:
      What is left, the tiles in the order of their removal, and the confidence after each.
    """
    masks = tiles(image.shape[0], image.shape[1], side) == np.arange(side**2)[:, None, None]
    order: list[int] = []
    course: list[float] = []
    while len(order) < side**2:
        images = np.where(masks[..., None], fill, image)
        confidence = np.nan_to_num(probabilities(model, images)[:, target], nan=-np.inf)
        confidence[order] = -np.inf
        tile = int(confidence.argmax())
        if not confidence[tile] >= least:
            break
        image = images[tile]
        order.append(tile)
        course.append(float(confidence[tile]))
    return image, order, course


def ablated(
    model: Any, of: Archives, cells: Sequence[int], *, side: int, hold: float
) -> lab.Records:
    """Champions of the first run without the tiles that they can lose, which are painted in the
    image's mean color, while their confidence is at least `hold` of what it was.

    Returns:
      Records of `target`, the images `whole` and `left`, `course` (the confidence before and after
      each removal, NaN after the last), `last` (of these), and `removed`, a share of the image.
    """
    whole, before = of.images(0, cells), of.confidence[0, cells]
    course, left = np.full((len(cells), side**2 + 1), np.nan), []
    course[:, 0] = before
    for i, (image, target) in enumerate(zip(whole, of.targets[0, cells], strict=True)):
        fill, least = image.mean((0, 1)), hold * float(before[i])
        found, order, confidence = ablate(model, image, target, fill, side=side, least=least)
        course[i, 1 : 1 + len(order)] = confidence
        left.append(found)
    removed = np.isfinite(course[:, 1:]).sum(1)
    return lab.Records.of(
        target=of.targets[0, cells],
        whole=whole,
        left=np.stack(left),
        course=course,
        last=course[np.arange(len(cells)), removed],
        removed=removed / side**2,
    )


def ablation_table(found: lab.Records, names: Sequence[str], hold: float) -> lab.Table:
    """How much of each image the network does without."""
    rows = {
        str(names[target]): {
            "confidence before (%)": percent(course[0]),
            "after (%)": percent(last),
            "highest on the way (%)": percent(np.nanmax(course)),
            "removed (%)": lab.floored(removed),
        }
        for target, course, last, removed in found.columns("target", "course", "last", "removed")
    }
    return lab.table(f"Tiles removed while {100 * hold:.0f} % of the confidence hold", rows)


def draw_ablated(path: Path, found: lab.Records, names: Sequence[str]) -> None:
    """Before, and after."""
    before = [
        lab.Tile(image, f"{names[target]}\n{caption(course[0])}")
        for image, target, course in found.columns("whole", "target", "course")
    ]
    after = [
        lab.Tile(image, f"{caption(last)}\n{lab.floored(removed)} % removed")
        for image, last, removed in found.columns("left", "last", "removed")
    ]
    lab.draw_gallery(path, [("before", before), ("after", after)])


def draw_courses(path: Path, found: lab.Records, names: Sequence[str]) -> None:
    """Confidence over the share of the image that is gone."""
    figure = lab.new_figure(7, 3.4)
    axes = figure.subplots()
    for target, course in found.columns("target", "course"):
        share = np.linspace(0, 100, len(course))
        axes.plot(share, 100 * course, ".-", ms=4, lw=1, label=names[target])
    axes.set(xlabel="share of the image removed (%)", ylabel="confidence (%)", xlim=(0, None))
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    lab.save_figure(figure, path)
