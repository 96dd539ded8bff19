"""k-SFIs of a network with one hidden layer. (Kumano et al., 2020, Theorem 2, Algorithm 1)"""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.theory.certificates import Certificates, check_range, count_of, weights
from jfool.theory.greedy import greedy


def hidden_layer(
    U: ArrayLike, delta_v: ArrayLike, max_k: int | None = None, *, R: ArrayLike = 1.0
) -> Certificates:
    """k-SFIs of y(x) = V relu(U x) for two classes, on base 0 with altered pixels at R. With
    delta = v_1 - v_2 and the columns u_i of U, one of confidence M exists if

      L <= R h(I(k)),   h(I) = delta . relu( sum_{i in I} u_i ),

    where Algorithm 1 chooses I(k). This is sufficient, not necessary: the greedy choice can miss
    the best set (and stop before a pair that would help), and other bases and values are not tried.
    So `smallest_k` is an upper bound on the number of pixels needed.

    Args:
      U: `[D_h, D]`, weights of the hidden layer.
      delta_v: `[D_h]`, v_1 - v_2 of the output layer.
      max_k: n, the most pixels to alter; all by default.
      R: the brightest pixel; the darkest is 0.
    Returns:
      `Certificates` with `bound` = R h(I(k)) for k = 0..n.
    Raises:
      ValueError: an argument cannot work.
    Reference: Kumano et al., 2020, sec. 4.2.
    Example:
      >>> hidden_layer(jnp.array([[1.0, -1.0], [2.0, 3.0]]), jnp.array([1.0, 1.0])).bound.tolist()
      [0.0, 3.0, 5.0]
    """
    U, delta = weights("U", U, "D_h", "D"), weights("delta_v", delta_v, "D_h")
    if delta.size != U.shape[0]:
        raise ValueError(f"delta_v: expected the {U.shape[0]} hidden units of U, got {delta.size}")
    check_range(0, R)
    return _algorithm_1(U, delta, jnp.asarray(R, jnp.float32), count_of(max_k, U.shape[1]))


@functools.partial(jax.jit, static_argnames="max_k")
def _algorithm_1(
    U: Float[Array, "D_h D"], delta: Float[Array, " D_h"], R: Float[Array, ""], max_k: int
) -> Certificates:
    def h_with(chosen: Float[Array, " D"]) -> Float[Array, " D"]:
        total = (U @ chosen)[:, None] + U  # sum over I u {i} of u_j, for every i
        return R * (delta @ jax.nn.relu(total))

    zero = jnp.zeros((), jnp.float32)
    return greedy(h_with, h_empty=zero, num_pixels=U.shape[1], max_k=max_k, base=zero, value=R)
