"""k-SFIs of a kernel machine with K(a, b) = (a . b)^2. (Kumano et al., 2020, Theorem 3)

The paper works in feature space, where t_C = sum_n s_{C,n} phi(x_{C,n}) has D (D + 1) / 2 entries.
We use the same function as a quadratic form: y_C(x) = x^T Q_C x with Q_C = sum_n s_{C,n} x_{C,n}
x_{C,n}^T.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.numbers import brief, check_whole, is_kind, known
from jfool.theory.certificates import Certificates, check_range, count_of, weights
from jfool.theory.greedy import greedy


def polynomial(Q: ArrayLike, max_k: int | None = None, *, R: ArrayLike = 1.0) -> Certificates:
    """k-SFIs of a kernel machine for two classes, on base 0 with altered pixels at R. One of
    confidence M exists if

      L <= R^2 g(I(k)),   g(I) = sum_{i in I} sum_{j in I} Q_ij,   Q = Q_1 - Q_2,

    where Algorithm 2 chooses I(k); pixel i gains Q_ii + 2 sum_{j in I} Q_ij. In the paper's terms
    g(I) = sum_{i in I} (delta_t[i] + sqrt(2) sum_{j in I, j > i} delta_t[pos(i, j)]); for the
    printed pos see `pair_index`. Sufficient, not necessary, as for `hidden_layer`.

    Args:
      Q: `[D, D]`, Q_1 - Q_2 (see `quadratic_form`); only its symmetric part matters.
      max_k: n, the most pixels to alter; all by default.
      R: the brightest pixel; the darkest is 0.
    Returns:
      `Certificates` with `bound` = R^2 g(I(k)) for k = 0..n.
    Raises:
      ValueError: an argument cannot work.
    Reference: Kumano et al., 2020, sec. 4.3.
    Example:
      >>> polynomial(jnp.array([[1.0, 2.0], [2.0, -1.0]])).bound.tolist()
      [0.0, 1.0, 4.0]
    """
    Q = weights("Q", Q, "D", "D")
    if Q.shape[0] != Q.shape[1]:
        raise ValueError(f"Q: expected a square matrix, got {list(Q.shape)}")
    check_range(0, R)
    Q = (Q + Q.T) / 2
    return _algorithm_2(Q, jnp.asarray(R, jnp.float32), count_of(max_k, len(Q)))


@functools.partial(jax.jit, static_argnames="max_k")
def _algorithm_2(Q: Float[Array, "D D"], R: Float[Array, ""], max_k: int) -> Certificates:
    def g_with(chosen: Float[Array, " D"]) -> Float[Array, " D"]:
        row = Q @ chosen  # sum_{j in I} Q_ij, for every i
        return R**2 * (chosen @ row + jnp.diag(Q) + 2 * row)

    zero = jnp.zeros((), jnp.float32)
    return greedy(g_with, h_empty=zero, num_pixels=len(Q), max_k=max_k, base=zero, value=R)


def quadratic_form(s: ArrayLike, x: ArrayLike) -> Float[Array, "D D"]:
    """Q = sum_n s_n x_n x_n^T of one class, so that x^T Q x = sum_n s_n (x_n . x)^2.

    Args:
      s: `[N]`, weights of the data.
      x: `[N, D]`, the data.
    """
    s, x = weights("s", s, "N"), weights("x", x, "N", "D")
    if len(s) != len(x):
        raise ValueError(f"s: expected the {len(x)} data of x, got {len(s)}")
    with jax.default_matmul_precision("highest"):
        return (x * s[:, None]).T @ x


def form_of_features(t: ArrayLike, num_pixels: int) -> Float[Array, "D D"]:
    """Q of the paper's weights t `[D (D + 1) / 2]` in feature space: Q_ii = t[i], and Q_ij = Q_ji =
    t[pos(i, j)] / sqrt(2)."""
    t = weights("t", t, "D (D + 1) / 2")
    check_whole("num_pixels", num_pixels, 1)
    D = num_pixels
    if t.size != D * (D + 1) // 2:
        raise ValueError(f"t: expected {D * (D + 1) // 2} entries for {D} pixels, got {t.size}")
    i, j = np.triu_indices(D, 1)
    pairs = t[pair_index(i, j, D)] / np.sqrt(2).astype(np.float32)
    return jnp.diag(t[:D]).at[i, j].set(pairs).at[j, i].set(pairs)


def pair_index(i: ArrayLike, j: ArrayLike, num_pixels: int) -> np.ndarray | np.integer:
    """pos(i, j): the index of sqrt(2) x_i x_j, i < j, in phi(x), counted from 0.

    The paper prints D + i + j - 2, counted from 1. That is right for D <= 3 only; for D = 4 the
    pairs (1, 4) and (2, 3) collide.
    """
    check_whole("num_pixels", num_pixels, 1)
    for name, index in (("i", i), ("j", j)):
        if not is_kind(known(index), np.integer):
            raise TypeError(f"{name}: expected whole numbers, got {brief(index)}")
    i, j = np.asarray(i), np.asarray(j)
    if not np.all((i >= 0) & (i < j) & (j < num_pixels)):
        raise ValueError(f"i: expected 0 <= i < j < {num_pixels}, got {brief(i)}, j {brief(j)}")
    return num_pixels + i * (num_pixels - 1) - i * (i - 1) // 2 + (j - i - 1)
