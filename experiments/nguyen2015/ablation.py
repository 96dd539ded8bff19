"""Nguyen et al. (2015), figure 10: parts of a fooling image that the network does not need.

The paper removes repeated elements by hand. Here an image is cut into tiles, and the one that costs
the least confidence is painted over, again and again, as long as the network stays sure.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from experiments import lab
from experiments.nguyen2015.figures import caption, percent
from experiments.nguyen2015.methods import Archives
from jfool.base import Model, pytree
from jfool.softmax import softmax


@pytree
class Ablation:
    """
    Attributes:
      image: `[H, W, C]`, what is left.
      order: `[T]` int, the tiles in the order of their removal; -1 after the last one.
      confidence: `[T + 1]`, before, and after each removal; NaN after the last one.
    """

    image: Any
    order: Any
    confidence: Any


def tiles(height: int, width: int, side: int) -> Int[Array, "H W"]:
    """The tile of each pixel, `side` x `side` of them, row by row, as even as they can be."""
    down, across = (jnp.arange(size) * side // size for size in (height, width))
    return side * down[:, None] + across[None]


@functools.partial(jax.jit, static_argnames="side")
def ablate(
    model: Model,
    image: Float[Array, "H W C"],
    target: ArrayLike,
    fill: Float[Array, " C"],
    *,
    side: int,
    least: ArrayLike,
) -> Ablation:
    """Removes tiles while the confidence stays at `least` or above.

    All that one step may remove is one batch of `side ** 2` images.

    Args:
      target: the class whose confidence counts.
      fill: the color that covers removed tiles.
      side: tiles along each side.
      least: confidence.
    """
    count = side**2
    height, width, _ = image.shape
    masks = tiles(height, width, side)[None] == jnp.arange(count)[:, None, None]

    def confidence(images: Array) -> Array:
        confidence = softmax(model(images))[:, target]
        return jnp.where(jnp.isnan(confidence), -jnp.inf, confidence)

    def step(now: tuple[Array, Ablation, Array]) -> tuple[Array, Ablation, Array]:
        number, done, _ = now
        images = jnp.where(masks[..., None], fill[None, None, None], done.image[None])
        gone = (jnp.arange(count)[:, None] == done.order[None]).any(1)
        left = jnp.where(gone, -jnp.inf, confidence(images))
        tile = left.argmax()
        holds = left[tile] >= least
        removed = Ablation(
            image=images[tile],
            order=done.order.at[number].set(tile),
            confidence=done.confidence.at[number + 1].set(left[tile]),
        )
        kept = jax.tree.map(lambda new, old: jnp.where(holds, new, old), removed, done)
        return number + 1, kept, holds

    start = Ablation(
        image=image,
        order=jnp.full(count, -1),
        confidence=jnp.full(count + 1, jnp.nan).at[0].set(confidence(image[None])[0]),
    )
    first = (jnp.int32(0), start, jnp.bool_(True))
    _, ablation, _ = lax.while_loop(lambda now: now[2] & (now[0] < count), step, first)
    return ablation


def ablated(
    model: Any, of: Archives, cells: Sequence[int], *, side: int, hold: float
) -> lab.Records:
    """Champions of the first run without the tiles that they can lose, which are painted in the
    image's mean color, while their confidence is at least `hold` of what it was.

    Returns:
      Records of `target`, the images `whole` and `left`, `course` (the confidence before and after
      each removal, NaN after the last), `last` (of these), and `removed`, a share of the image.
    """
    targets, whole = of.targets[0, cells], of.images(0, cells)
    least = hold * of.confidence[0, cells]
    jobs = zip(whole, targets, whole.mean((1, 2)), least, strict=True)
    found = [ablate(model, *job, side=side, least=float(sure)) for *job, sure in jobs]
    course = np.stack([one.confidence for one in found])
    removed = np.isfinite(course[:, 1:]).sum(1)
    return lab.Records.of(
        target=targets,
        whole=whole,
        left=np.stack([one.image for one in found]),
        course=course,
        last=course[np.arange(len(cells)), removed],
        removed=removed / side**2,
    )


def ablation_table(found: lab.Records, names: Sequence[str], hold: float) -> lab.Table:
    """How much of each image the network does without."""
    rows = {
        names[target]: {
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
