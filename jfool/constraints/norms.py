"""Norms of perturbations in float32, right to two units in the last place at any size."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jfool.base import Image
from jfool.numbers import is_kind, known

Number = Float[Array, ""]
_Pair = tuple[Number, Number]


def total(values: Float[Array, "..."]) -> Number:
    """The sum of all values, with the rounding errors of all additions carried along (Knuth, 1969):
    exact to a unit in the last place, in whatever order the compiler adds. On the CPU it costs a
    quarter more than a plain sum."""
    zero = jnp.zeros((), values.dtype)
    pairs = (values, jnp.zeros_like(values))
    high, low = lax.reduce(pairs, (zero, zero), _add, tuple(range(values.ndim)))
    return high + low


def _add(first: _Pair, second: _Pair) -> _Pair:
    (a, a_error), (b, b_error) = first, second
    both = a + b
    b_part = both - a
    return both, a_error + b_error + ((a - (both - b_part)) + (b - b_part))


def linf(delta: Image) -> Number:
    return jnp.abs(delta).max()


def l2(delta: Image) -> Number:
    """Scaled by the largest entry: squares of 1e-30 would be zero."""
    largest = linf(delta)
    return largest * jnp.sqrt(total(jnp.square(delta / jnp.where(largest > 0, largest, 1))))


def l1(delta: Image) -> Number:
    return total(jnp.abs(delta))


def l0(delta: Image) -> Number:
    """The number of pixels with any channel that is not zero."""
    return (delta != 0).any(-1).sum(dtype=jnp.float32)


def distances(
    images: Float[Array, "N H W C"] | Float[np.ndarray, "N H W C"],
    originals: Float[Array, "N H W C"] | Float[np.ndarray, "N H W C"],
) -> dict[str, Float[Array, " N"]]:
    """How far every image is from its original.

    Returns:
      "l0" (pixels that differ in any channel), "l1", "l2", "linf", each `[N]` float32.
    Raises:
      ValueError: they are not `[N, H, W, C]` floats of one shape.
    Example:
      >>> one, other = np.zeros((2, 1, 4, 4, 3), np.float32)
      >>> other[0, 0, 0] = 0.5
      >>> {name: float(of[0]) for name, of in distances(one, other).items()}
      {'l0': 1.0, 'l1': 1.5, 'l2': 0.8660253882408142, 'linf': 0.5}
    """
    images, originals = known(images), known(originals)
    for name, array in (("images", images), ("originals", originals)):
        if array.ndim != 4 or not is_kind(array, np.floating):
            got = f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"{name}: expected floats [N, H, W, C], got {got}")
    if images.shape != originals.shape:
        raise ValueError(
            f"originals: expected the shape of images, {list(images.shape)}, "
            f"got {list(originals.shape)}"
        )
    delta = jnp.asarray(images, jnp.float32) - jnp.asarray(originals, jnp.float32)
    norms = {"l0": l0, "l1": l1, "l2": l2, "linf": linf}
    return {name: jax.vmap(norm)(delta) for name, norm in norms.items()}
