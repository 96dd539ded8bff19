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

from jfool.base import pytree, static
from jfool.numbers import (
    brief,
    check_number,
    in_32_bits,
    is_kind,
    is_number,
    is_real,
    is_whole,
    known,
)

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
            raise ValueError(f"k: expected 0 to {most}, got {brief(k)}")


def log_odds_of(confidence: ArrayLike) -> Float[Array, ""]:
    """L = ln(M / (1 - M)): class 1 of two has a confidence of at least M if y_1 - y_2 >= L."""
    if not isinstance(confidence, Tracer) and not (is_number(confidence) and 0 < confidence < 1):
        raise ValueError(f"confidence: expected a number in (0, 1), got {brief(confidence)}")
    if isinstance(confidence, Tracer):
        return jnp.log(confidence) - jnp.log1p(-confidence)
    p = float(confidence)  # in float32, 1 - 1e-8 would be 1
    return jnp.float32(math.log(p) - math.log1p(-p))


def log_odds(logits: Float[Array, "*batch K"], target: ArrayLike) -> Float[Array, "*batch"]:
    """ln(p / (1 - p)) of the target: y_target - ln sum_{j != target} e^{y_j}.

    Raises:
      ValueError: the target is not a class.
    """
    logits = _rows("logits", logits, "K")
    check_class(target, logits.shape[-1])
    is_target = jnp.arange(logits.shape[-1]) == target
    others = jnp.where(is_target.reshape((1,) * (logits.ndim - 1) + (-1,)), -jnp.inf, logits)
    return logits[..., target] - jax.nn.logsumexp(others, axis=-1)


def smallest_k(bound: Float[Array, "*batch n_plus_1"], gap: ArrayLike) -> Int[Array, "*batch"]:
    """The first k at which `bound` reaches `gap`; -1 if none does."""
    bound = _rows("bound", bound, "n + 1")
    least = known(gap)
    if least.ndim or not is_real(least) or not (isinstance(gap, Tracer) or least == least):
        raise ValueError(f"gap: expected a number, got {brief(gap)}")
    reached: Bool[Array, "*batch n_plus_1"] = bound >= gap
    return jnp.where(reached.any(-1), jnp.argmax(reached, -1), NONE).astype(jnp.int32)


def weights(name: str, value: ArrayLike, *axes: str) -> Array:
    """`value` as float32, with one axis for each name.

    Raises:
      ValueError: naming the argument.
    """
    array = known(value)
    if array.ndim != len(axes) or 0 in array.shape:
        raise ValueError(f"{name}: expected an array [{', '.join(axes)}], got {list(array.shape)}")
    if not is_real(array):
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
    if not isinstance(array, Tracer) and not np.isfinite(in_32_bits(array)).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or some beyond float32")
    return jnp.asarray(array, jnp.float32)


def _rows(name: str, value: ArrayLike, axis: str) -> Array:
    """`value` as an array `[*batch, axis]` of floats."""
    array = known(value)
    if not array.ndim or 0 in array.shape or not is_kind(array, np.floating):
        got = f"{array.dtype} {list(array.shape)}"
        raise ValueError(f"{name}: expected floats [..., {axis}], got {got}")
    return jnp.asarray(value)


def is_index(value: ArrayLike, size: int) -> bool:
    """One whole number from 0 to size - 1, of any type."""
    array = known(value)
    return array.shape == () and is_kind(array, np.integer) and bool(0 <= array < size)


def check_class(target: ArrayLike, num_classes: int) -> None:
    """Raises ValueError unless it is a class."""
    if not isinstance(target, Tracer) and not is_index(target, num_classes):
        raise ValueError(
            f"target: expected a class from 0 to {num_classes - 1}, got {brief(target)}"
        )


def check_range(r: ArrayLike, R: ArrayLike) -> None:
    """Raises ValueError unless r < R."""
    check_number("r", r, "a number")
    above = -np.inf if isinstance(r, Tracer) else r
    check_number("R", R, f"a number above r = {brief(r)}", above=above)


def count_of(max_k: int | None, num_pixels: int) -> int:
    """n, by default all pixels; raises ValueError if it is not 1 to D."""
    if max_k is None:
        return num_pixels
    if not (is_whole(max_k, 1) and max_k <= num_pixels):
        raise ValueError(f"max_k: expected 1 to the {num_pixels} pixels, got {brief(max_k)}")
    return int(max_k)
