"""The nearest image on a hyperplane inside the box, by the norm of a ball. (Croce & Hein, 2020,
eqs. 4 to 6)

  minimize ||d||   subject to   w . d = gap,  0 <= image + d <= 1

Entries move to the side where w . d comes nearer to the gap, each no further than the box lets it.
If the box ends before the plane, all go as far as they can.

Reference: Minimally distorted adversarial examples with a fast adaptive boundary attack,
arXiv:1907.02044.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.base import Image, Truth
from jfool.constraints.base import Constraint
from jfool.constraints.bisection import last_where
from jfool.constraints.l1 import L1
from jfool.constraints.l2 import L2
from jfool.constraints.linf import Linf

_Number = Float[Array, ""]


def to_plane(norm: Constraint, image: Image, normal: Image, gap: _Number) -> Image:
    """The step d `[H, W, C]` from an image to the plane w . d = gap.

    Args:
      norm: `Linf()`, `L2()` or `L1()`.
      image: `[H, W, C]` in [0, 1].
      normal: `[H, W, C]`, w.
      gap: `[]`.
    Raises:
      TypeError: another constraint.
    """
    lengths = {Linf: _linf, L2: _l2, L1: _l1}.get(type(norm))
    if lengths is None:
        raise TypeError(f"norm: expected jfool.Linf(), jfool.L2() or jfool.L1(), got {norm!r:.60}")
    side = jnp.sign(gap) * jnp.sign(normal)
    room = jnp.where(side > 0, 1 - image, image)
    return side * lengths(jnp.abs(normal), jnp.where(side == 0, 0, room), jnp.abs(gap))


def _linf(weight: Image, room: Image, gap: _Number) -> Image:
    """All go equally far."""
    return _up_to(lambda scale: jnp.minimum(scale, room), weight, room.max(), gap)


def _l2(weight: Image, room: Image, gap: _Number) -> Image:
    """Each goes as far as its weight says."""
    unit = weight / jnp.where(weight.max() > 0, weight.max(), 1)
    farthest = jnp.where(unit > 0, room / jnp.where(unit > 0, unit, 1), 0).max()
    longest = jnp.minimum(farthest, jnp.finfo(jnp.float32).max)
    return _up_to(lambda scale: jnp.minimum(scale * unit, room), weight, longest, gap)


def _up_to(
    lengths: Callable[[_Number], Image], weight: Image, longest: _Number, gap: _Number
) -> Image:
    """Lengths for the largest scale at which the plane is not crossed."""

    def short(scale: _Number) -> Truth:
        return (weight * lengths(scale)).sum() <= gap

    return lengths(last_where(short, longest))


def _l1(weight: Image, room: Image, gap: _Number) -> Image:
    """The entry of the largest weight goes as far as it can, then the next; equal ones share."""

    def enough(least: _Number) -> Truth:
        return jnp.where(weight >= least, weight * room, 0).sum() >= gap

    least = last_where(enough, weight.max())
    whole, part = weight > least, weight == least
    rest = gap - jnp.where(whole, weight * room, 0).sum()
    shared = jnp.where(part, weight * room, 0).sum()
    share = jnp.clip(rest / jnp.where(shared > 0, shared, 1), 0, 1)
    return jnp.where(whole, room, jnp.where(part, share * room, 0))
