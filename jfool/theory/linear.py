"""The best k-SFIs of a linear model y(x) = W x. (Kumano et al., 2020, Theorem 1)"""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.numbers import check_truth
from jfool.theory.certificates import Certificates, check_range, count_of, weights


def linear(
    delta_w: ArrayLike,
    max_k: int | None = None,
    *,
    r: ArrayLike = 0.0,
    R: ArrayLike = 1.0,
    paper_branch: bool = False,
) -> Certificates:
    """The best k-SFIs of two classes, for every k. With delta = w_1 - w_2, I_-(k) the at most k
    smallest negative entries and I_+(k) the at most k largest positive ones, a k-SFI of confidence
    M exists if and only if

      L <= max{ R sum(delta) + (r - R) sum_{I_-(k)} delta,    base R, I_- set to r
                r sum(delta) + (R - r) sum_{I_+(k)} delta }   base r, I_+ set to R.

    Instead of the maximum the paper prints a choice: the first if sum(delta) > 0, else the second.
    Then "only if" fails: for delta = (4, -1, -1, -1), r = 0, R = 1 and k = 1 the choice gives 2,
    but one white pixel on black gives 4.

    Args:
      delta_w: `[D]`, w_1 - w_2.
      max_k: n, the most pixels to alter; all by default.
      r, R: the range of pixels.
      paper_branch: follow the printed choice; its bound can be reached, but may not be the best.
    Returns:
      `Certificates` with `bound` the right-hand side for k = 0..n.
    Raises:
      ValueError: an argument cannot work.
    Reference: Kumano et al., 2020, sec. 4.1.
    Example:
      >>> sfis = linear(jnp.array([4.0, -1.0, -1.0, -1.0]), max_k=1)
      >>> sfis.bound.tolist(), sfis.image(1).tolist()
      ([1.0, 4.0], [1.0, 0.0, 0.0, 0.0])
    """
    delta = weights("delta_w", delta_w, "D")
    check_range(r, R)
    check_truth("paper_branch", paper_branch)
    r, R = jnp.asarray(r, jnp.float32), jnp.asarray(R, jnp.float32)
    return _theorem_1(delta, r, R, count_of(max_k, delta.size), paper_branch)


@functools.partial(jax.jit, static_argnames=("max_k", "paper_branch"))
def _theorem_1(
    delta: Float[Array, " D"],
    r: Float[Array, ""],
    R: Float[Array, ""],
    max_k: int,
    paper_branch: bool,
) -> Certificates:
    bright, dark = _altered(delta, R, r, max_k), _altered(delta, r, R, max_k)
    base, value, pixels, gaps = (jnp.stack(pair) for pair in zip(bright, dark, strict=True))
    if paper_branch:
        first = delta.sum() > 0
        gaps = jnp.where(jnp.stack([first, ~first])[:, None], gaps, -jnp.inf)
    return Certificates(base, value, pixels, gaps, delta.size)


def _altered(
    delta: Float[Array, " D"], base: Float[Array, ""], value: Float[Array, ""], n: int
) -> tuple[Array, Array, Array, Array]:
    """The n pixels that gain most from `base` to `value`, best first."""
    gains = (value - base) * delta
    pixels = jnp.argsort(-gains)[:n]
    useful = jnp.maximum(gains[pixels], 0)
    gaps = base * delta.sum() + jnp.concatenate([jnp.zeros(1), jnp.cumsum(useful)])
    return base, value, jnp.where(useful > 0, pixels, delta.size), gaps
