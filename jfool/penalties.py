"""Sparsity penalties on alpha = image - base, and the gradient steps that obey them.

Lambda is `job.l1_weight`. Plain gradient steps never land on exactly zero. `L1` and `GroupL1` take
orthant-wise steps (Andrew & Gao, 2007): the gradient includes the penalty's where alpha is not
zero, alpha leaves zero only where the gradient exceeds lambda, and a step that would cross zero
ends there. This works with any optimizer. A proximal step, which has the same fixed points, needs
one step size for all pixels; adaptive optimizers have none.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jfool.base import Image, pytree


@pytree
class L1:
    """`lambda * sum |alpha|`, each channel by itself. (Kumano et al., 2020, eq. 1)"""

    def penalty(self, job: Any, image: Image) -> Array:
        return job.l1_weight * jnp.abs(_alpha(job, image)).sum()

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        """Steepest ascent of fitness minus penalty; zero where alpha should stay zero."""
        alpha = _alpha(job, image)
        leaving = jnp.sign(gradient) * jnp.maximum(jnp.abs(gradient) - job.l1_weight, 0)
        return jnp.where(alpha != 0, gradient - job.l1_weight * jnp.sign(alpha), leaving)

    def land(self, job: Any, image: Image, direction: Image, moved: Image, step: Array) -> Image:
        """The end of the step, or alpha = 0 if it would cross that."""
        del step
        alpha = _alpha(job, image)
        side = jnp.where(alpha != 0, alpha, direction)
        return jnp.where(_alpha(job, moved) * side > 0, moved, _base(job, image))


@pytree
class GroupL1:
    """`lambda * sum over pixels of ||alpha||_2`: a pixel's channels become zero together."""

    def penalty(self, job: Any, image: Image) -> Array:
        return job.l1_weight * _norm(_alpha(job, image)).sum()

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        alpha = _alpha(job, image)
        size, slope = _norm(alpha), _norm(gradient)
        toward_zero = alpha / jnp.where(size > 0, size, 1)
        leaving = gradient * jnp.maximum(1 - job.l1_weight / jnp.where(slope > 0, slope, 1), 0)
        return jnp.where(size > 0, gradient - job.l1_weight * toward_zero, leaving)

    def land(self, job: Any, image: Image, direction: Image, moved: Image, step: Array) -> Image:
        del step
        alpha = _alpha(job, image)
        side = jnp.where(_norm(alpha) > 0, alpha, direction)
        ahead = (_alpha(job, moved) * side).sum(-1, keepdims=True) > 0
        return jnp.where(ahead, moved, _base(job, image))


@pytree
class SmoothL1:
    """`lambda * sum |alpha|` by its subgradient: nothing becomes exactly zero."""

    def penalty(self, job: Any, image: Image) -> Array:
        return L1().penalty(job, image)

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        return gradient - job.l1_weight * jnp.sign(_alpha(job, image))

    def land(self, job: Any, image: Image, direction: Image, moved: Image, step: Array) -> Image:
        del job, image, direction, step
        return moved


def _base(job: Any, image: Image) -> Image:
    return jnp.broadcast_to(job.base, image.shape)


def _alpha(job: Any, image: Image) -> Image:
    return image - _base(job, image)


def _norm(values: Image) -> Array:
    """`[H, W, 1]`."""
    return jnp.sqrt(jnp.square(values).sum(-1, keepdims=True))
