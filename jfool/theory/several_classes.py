"""k-SFIs for one of K classes, `target`, by softmax; Kumano et al. (2020) treat two classes.

With the gaps g_j = y_target - y_j to the K - 1 others, the log-odds ln(p / (1 - p)) of the target
is -ln sum_j e^{-g_j}, which lies between min_j g_j - ln(K - 1) and min_j g_j. Hence, for p >= M,

  necessary   g_j >= ln(M / (1 - M))             for every j,
  sufficient  g_j >= ln((K - 1) M / (1 - M))     for every j.

By Jensen's inequality the mean of the g_j must also reach the second bound. For K = 2 all of these
are the paper's condition. The greedy choice here maximizes the log-odds; for K = 2 that is
Algorithms 1 and 2, and for a linear model Theorem 1.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jfool.numbers import check_whole
from jfool.theory.certificates import (
    Certificates,
    check_class,
    check_range,
    count_of,
    log_odds,
    log_odds_of,
    smallest_k,
    weights,
)
from jfool.theory.greedy import greedy
from jfool.theory.linear import linear


def necessary_gap(confidence: ArrayLike) -> Float[Array, ""]:
    """ln(M / (1 - M)), which every y_target - y_j must reach."""
    return log_odds_of(confidence)


def sufficient_gap(confidence: ArrayLike, num_classes: int) -> Float[Array, ""]:
    """ln((K - 1) M / (1 - M)): enough if every y_target - y_j reaches it.

    Raises:
      ValueError: an argument cannot work.
    """
    check_whole("num_classes", num_classes, 2, "at least 2 classes")
    return log_odds_of(confidence) + jnp.log(jnp.float32(num_classes - 1))


def linear_among(
    W: ArrayLike,
    target: ArrayLike,
    max_k: int | None = None,
    *,
    r: ArrayLike = 0.0,
    R: ArrayLike = 1.0,
) -> Certificates:
    """Greedy k-SFIs of y(x) = W x, on base R with pixels at r and on base r with pixels at R.

    Args:
      W: `[K, D]`.
      target: `[]`, the class to reach; `vmap` runs over it.
      max_k, r, R: as for `linear`.
    Returns:
      `Certificates`; their `smallest_k` is an upper bound on the fewest pixels.
    Raises:
      ValueError: an argument cannot work.
    """
    W = _several("W", W, "K", "D")
    check_class(target, len(W))
    check_range(r, R)
    r, R = jnp.asarray(r, jnp.float32), jnp.asarray(R, jnp.float32)
    n = count_of(max_k, W.shape[1])
    on_both = _linear(W, target, R, r, n), _linear(W, target, r, R, n)
    return jax.tree.map(lambda *both: jnp.concatenate(both), *on_both)


@functools.partial(jax.jit, static_argnames="max_k")
def _linear(
    W: Float[Array, "K D"], target: ArrayLike, base: Array, value: Array, max_k: int
) -> Certificates:
    plain = base * W.sum(1)

    def h_with(chosen: Float[Array, " D"]) -> Float[Array, " D"]:
        altered = (W @ chosen)[:, None] + W
        return log_odds((plain[:, None] + (value - base) * altered).T, target)

    return greedy(h_with, log_odds(plain, target), W.shape[1], max_k, base, value)


def hidden_layer_among(
    U: ArrayLike,
    V: ArrayLike,
    target: ArrayLike,
    max_k: int | None = None,
    *,
    R: ArrayLike = 1.0,
) -> Certificates:
    """Algorithm 1 on the log-odds of y(x) = V relu(U x).

    Args:
      U, V: `[D_h, D]` and `[K, D_h]`.
      target, max_k, R: as for `linear_among`, with base 0.
    Returns, Raises: as `linear_among`.
    """
    U, V = weights("U", U, "D_h", "D"), _several("V", V, "K", "D_h")
    if V.shape[1] != len(U):
        raise ValueError(f"V: expected the {len(U)} hidden units of U, got {V.shape[1]}")
    check_class(target, len(V))
    check_range(0, R)
    R = jnp.asarray(R, jnp.float32)
    return _hidden_layer(U, V, target, R, count_of(max_k, U.shape[1]))


@functools.partial(jax.jit, static_argnames="max_k")
def _hidden_layer(
    U: Float[Array, "D_h D"], V: Float[Array, "K D_h"], target: ArrayLike, R: Array, max_k: int
) -> Certificates:
    def h_with(chosen: Float[Array, " D"]) -> Float[Array, " D"]:
        total = (U @ chosen)[:, None] + U
        return log_odds(R * (V @ jax.nn.relu(total)).T, target)

    black = log_odds(jnp.zeros(len(V)), target)
    return greedy(h_with, black, U.shape[1], max_k, jnp.zeros_like(R), R)


def polynomial_among(
    Q: ArrayLike, target: ArrayLike, max_k: int | None = None, *, R: ArrayLike = 1.0
) -> Certificates:
    """Algorithm 2 on the log-odds of y_c(x) = x^T Q_c x.

    Args:
      Q: `[K, D, D]`, a `quadratic_form` for each class.
      target, max_k, R: as for `linear_among`, with base 0.
    Returns, Raises: as `linear_among`.
    """
    Q = _several("Q", Q, "K", "D", "D")
    if Q.shape[1] != Q.shape[2]:
        raise ValueError(f"Q: expected square matrices, got {list(Q.shape)}")
    check_class(target, len(Q))
    check_range(0, R)
    R = jnp.asarray(R, jnp.float32)
    return _polynomial((Q + Q.mT) / 2, target, R, count_of(max_k, Q.shape[1]))


@functools.partial(jax.jit, static_argnames="max_k")
def _polynomial(Q: Float[Array, "K D D"], target: ArrayLike, R: Array, max_k: int) -> Certificates:
    def h_with(chosen: Float[Array, " D"]) -> Float[Array, " D"]:
        row = Q @ chosen
        sums = (row @ chosen)[:, None] + jnp.diagonal(Q, axis1=1, axis2=2) + 2 * row
        return log_odds(R**2 * sums.T, target)

    black = log_odds(jnp.zeros(len(Q)), target)
    return greedy(h_with, black, Q.shape[1], max_k, jnp.zeros_like(R), R)


def linear_bounds_on_k(
    W: ArrayLike,
    target: ArrayLike,
    confidence: ArrayLike,
    max_k: int | None = None,
    *,
    r: ArrayLike = 0.0,
    R: ArrayLike = 1.0,
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Bounds on the fewest pixels that give `target` the `confidence`, for a linear model.

    Args:
      W, target, max_k, r, R: as for `linear_among`.
      confidence: M.
    Returns:
      (lower, upper). The lower bound applies the necessary conditions to the exact bound of
      Theorem 1, for each other class and for their mean; -1: more than max_k are needed. The upper
      one has a certificate, that of `linear_among`; -1: there is none up to max_k.
    Raises:
      ValueError: an argument cannot work.
    """
    W = _several("W", W, "K", "D")
    K = len(W)
    check_class(target, K)
    own = jnp.arange(K) == target
    mean = (W.sum(0) - W[target]) / (K - 1)
    others = jnp.where(own[:, None], mean[None], W)  # the mean in the target's row
    gaps = jnp.where(own, sufficient_gap(confidence, K), necessary_gap(confidence))
    bounds = jax.vmap(lambda delta: linear(delta, max_k, r=r, R=R).bound)(W[target][None] - others)
    needed = jax.vmap(smallest_k)(bounds, gaps)
    lower = jnp.where((needed < 0).any(), -1, needed.max())
    return lower, linear_among(W, target, max_k, r=r, R=R).smallest_k(confidence)


def _several(name: str, value: ArrayLike, *axes: str) -> Array:
    array = weights(name, value, *axes)
    if len(array) < 2:
        raise ValueError(f"{name}: expected at least 2 classes, got {len(array)}")
    return array
