"""Taking parts of a fooling image away while the network stays sure of it: figure 10 of paper 001.

The paper removes repeated elements by hand. Here an image is cut into tiles, and the one that costs
the least confidence is painted over, again and again.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jfool.base import Model, pytree
from jfool.softmax import softmax


@pytree
class Ablation:
    """
    Attributes:
      image: `[H, W, C]`, what is left.
      order: `[T]` int, the tiles in the order of their removal; -1 behind the last one.
      confidence: `[T + 1]`, before, and after each removal; NaN behind the last one.
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
    label: ArrayLike,
    fill: Float[Array, " C"],
    *,
    side: int,
    least: ArrayLike,
) -> Ablation:
    """Removes tiles while the confidence stays at `least` or above.

    All that one step may remove is one batch of `side ** 2` images.

    Args:
      label: the class whose confidence counts.
      fill: the colour that covers removed tiles.
      side: tiles along each side.
      least: confidence.
    """
    count = side**2
    height, width, _ = image.shape
    masks = tiles(height, width, side)[None] == jnp.arange(count)[:, None, None]

    def confidence(images: Array) -> Array:
        confidence = softmax(model(images))[:, label]
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
