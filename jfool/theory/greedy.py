"""The loop of Algorithms 1 and 2: pixels join one by one, the best first. (Kumano et al., 2020)"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jfool.theory.certificates import Certificates

# From the set I, as zeros and ones, h(I u {i}) for every pixel i outside it.
WithEach = Callable[[Float[Array, " D"]], Float[Array, " D"]]


def greedy(
    h_with: WithEach, h_empty: Array, num_pixels: int, max_k: int, base: Array, value: Array
) -> Certificates:
    """While |I| < k: find the i outside I with the largest h(I u {i}); add it if that exceeds h(I),
    else stop. (The paper prints |I| < n for k.) The choice for k is the start of that for k + 1, so
    one run gives all k.

    Args:
      h_with: the function to maximize.
      h_empty: `[]`, h of the empty set.
      num_pixels, max_k: D and n.
      base, value: `[]`, z_b, and the value of the pixels in I.
    """

    def choose(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], tuple]:
        chosen, h = state
        h_new = jnp.where(chosen > 0, -jnp.inf, h_with(chosen))
        best = jnp.argmax(h_new)
        better = h_new[best] > h  # once it is not, nothing changes
        chosen = jnp.where(better, chosen.at[best].set(1), chosen)
        h = jnp.where(better, h_new[best], h)
        return (chosen, h), (jnp.where(better, best, num_pixels), h)

    nothing = jnp.zeros(num_pixels, jnp.float32)
    with jax.default_matmul_precision("highest"):
        _, (pixels, h) = jax.lax.scan(choose, (nothing, h_empty), length=max_k)
    h = jnp.concatenate([h_empty[None], h])
    return Certificates(base[None], value[None], pixels[None], h[None], num_pixels)
