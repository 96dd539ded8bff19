"""k-SFIs for every k, with the confidence that they reach. (Kumano et al., 2020, sec. 4)

A k-SFI (definition 1) is z = z_b 1 + alpha in [r, R]^D, where at most k entries of alpha differ
from 0. Logits y = f(z) without biases give class 1 of two the confidence

  p_1 >= M   <=>   y_1 - y_2 >= L = ln(M / (1 - M)),   0 < M < 1.

`D` pixels, `K` classes, `F` constructions of which the best counts, at most `n` altered pixels.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from jfool.arguments import is_number, is_whole
from jfool.base import pytree, static

NONE = -1  # no k up to n suffices


@pytree
class Certificates:
    """The k-SFIs of a theorem for k = 0..n: the first k of `pixels` set to `value` on `base`.

    Attributes:
      base: `[F]`, z_b.
      value: `[F]`, of the altered pixels.
      pixels: `[F, n]`, in the order in which they are altered; D, which is no pixel, where another
        one does not help.
      log_odds: `[F, n + 1]`, predicted ln(p / (1 - p)) of each k-SFI; for two classes the gap of
        the logits y_1 - y_2. Never falls with k.
      num_pixels: D.

    After `vmap`, its axes come first, here and in everything that the methods return.
    """

    base: Array
    value: Array
    pixels: Array
    log_odds: Array
    num_pixels: int = static()

    @property
    def bound(self) -> Float[Array, "*batch n_plus_1"]:
        """ln(p / (1 - p)) that k pixels reach, for k = 0..n."""
        return self.log_odds.max(-2)

    def smallest_k(self, confidence: ArrayLike) -> Int[Array, "*batch"]:
        """The fewest pixels whose certificate reaches the confidence: 0 if the color alone does, -1
        if no k up to n does."""
        return smallest_k(self.bound, log_odds_of(confidence))

    def confidence(self, k: ArrayLike) -> Float[Array, "*batch"]:
        """The predicted confidence of `image(k)`."""
        self._check(k)
        return jax.nn.sigmoid(self.bound[..., k])

    def image(self, k: ArrayLike) -> Float[Array, "*batch D"]:
        """The certificate: z = z_b 1 + alpha of the best construction."""
        self._check(k)
        if self.log_odds.ndim > 2:
            return jax.vmap(lambda one: one.image(k))(self)
        best = jnp.argmax(self.log_odds[:, k])
        altered = jnp.where(
            jnp.arange(self.pixels.shape[1]) < k, self.pixels[best], self.num_pixels
        )
        plain = jnp.full(self.num_pixels, self.base[best])
        return plain.at[altered].set(self.value[best], mode="drop")

    def _check(self, k: ArrayLike) -> None:
        most = self.pixels.shape[-1]
        if not isinstance(k, Tracer) and not is_index(k, most + 1):
            raise ValueError(f"k: expected 0 to {most}, got {k}")


def log_odds_of(confidence: ArrayLike) -> Float[Array, ""]:
    """L = ln(M / (1 - M)): class 1 of two has a confidence of at least M if y_1 - y_2 >= L."""
    if not isinstance(confidence, Tracer) and not (is_number(confidence) and 0 < confidence < 1):
        raise ValueError(f"confidence: expected a number in (0, 1), got {confidence!r}")
    if isinstance(confidence, Tracer):
        return jnp.log(confidence) - jnp.log1p(-confidence)
    p = float(confidence)  # in float32, 1 - 1e-8 would be 1
    return jnp.float32(math.log(p) - math.log1p(-p))


def log_odds(logits: Float[Array, "*batch K"], target: ArrayLike) -> Float[Array, "*batch"]:
    """ln(p / (1 - p)) of the target: y_target - ln sum_{j != target} e^{y_j}.

    Raises:
      ValueError: the target is not a class.
    """
    check_class(target, logits.shape[-1])
    is_target = jnp.arange(logits.shape[-1]) == target
    others = jnp.where(is_target.reshape((1,) * (logits.ndim - 1) + (-1,)), -jnp.inf, logits)
    return logits[..., target] - jax.nn.logsumexp(others, axis=-1)


def smallest_k(bound: Float[Array, "*batch n_plus_1"], gap: ArrayLike) -> Int[Array, "*batch"]:
    """The first k at which `bound` reaches `gap`; -1 if none does."""
    reached: Bool[Array, "*batch n_plus_1"] = bound >= gap
    return jnp.where(reached.any(-1), jnp.argmax(reached, -1), NONE).astype(jnp.int32)


def weights(name: str, value: ArrayLike, *axes: str) -> Array:
    """`value` as float32, with one axis for each name.

    Raises:
      ValueError: naming the argument.
    """
    shape = np.shape(value)
    if len(shape) != len(axes) or 0 in shape:
        raise ValueError(f"{name}: expected an array [{', '.join(axes)}], got {list(shape)}")
    dtype = value.dtype if isinstance(value, Tracer) else np.asarray(value).dtype
    if not jnp.issubdtype(dtype, np.number):
        raise ValueError(f"{name}: expected numbers, got {dtype}")
    if not isinstance(value, Tracer) and not np.isfinite(np.asarray(value)).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinite ones")
    return jnp.asarray(value, jnp.float32)


def is_index(value: ArrayLike, size: int) -> bool:
    """One whole number from 0 to size - 1, of any type."""
    array = np.asarray(value)
    return array.shape == () and np.issubdtype(array.dtype, np.integer) and bool(0 <= array < size)


def check_class(target: ArrayLike, num_classes: int) -> None:
    """Raises ValueError unless it is a class."""
    if not isinstance(target, Tracer) and not is_index(target, num_classes):
        raise ValueError(f"target: expected a class from 0 to {num_classes - 1}, got {target}")


def check_range(r: ArrayLike, R: ArrayLike) -> None:
    """Raises ValueError unless r < R."""
    if isinstance(r, Tracer) or isinstance(R, Tracer):
        return
    if not (is_number(r) and is_number(R) and r < R):
        raise ValueError(f"R: expected a number above r = {r!r}, got {R!r}")


def count_of(max_k: int | None, num_pixels: int) -> int:
    """n, by default all pixels; raises ValueError if it is not 1 to D."""
    if max_k is None:
        return num_pixels
    if not (is_whole(max_k, 1) and max_k <= num_pixels):
        raise ValueError(f"max_k: expected 1 to the {num_pixels} pixels, got {max_k!r}")
    return int(max_k)
