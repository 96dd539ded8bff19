"""Backward pass differentiable approximation (BPDA). (Athalye, Carlini & Wagner, 2018)"""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array

from jfool.numbers import brief


def _identity(array: Array) -> Array:
    return array


def straight_through(
    forward: Callable[..., Any], backward: Callable[..., Any] = _identity
) -> Callable[..., Any]:
    """`forward`, but with the derivatives of `backward`.

    For steps of a defense without a useful gradient, such as rounding, JPEG or a purifier: put the
    result into the model, and gradient attacks pass it.

    Args:
      forward: of one or more arrays.
      backward: a smooth approximation of it, of the same arrays, with a result of the same shapes.
        By default the identity.
    Returns:
      A function of the same arrays. Define it once: another one is another compiled program.
    Raises:
      TypeError: one is no function.
      ValueError: when differentiated, if the shapes of both results differ.
    Example:
      >>> import jax.numpy as jnp
      >>> rounded = straight_through(jnp.round)
      >>> float(rounded(0.7)), float(jax.grad(rounded)(0.7))
      (1.0, 1.0)

    Reference: Obfuscated gradients give a false sense of security, arXiv:1802.00420, sec. 4.1.
    """

    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"{name}: expected a function of arrays, got {brief(function)}")

    @jax.custom_vjp
    def through(*arrays: Any) -> Any:
        return forward(*arrays)

    def pass_forward(*arrays: Any) -> tuple[Any, Any]:
        result = forward(*arrays)
        approximate, pull = jax.vjp(backward, *arrays)
        shapes = [jax.tree.map(jax.numpy.shape, each) for each in (result, approximate)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"backward: expected a result of shape {shapes[0]}, as forward has, got {shapes[1]}"
            )
        return result, pull

    through.defvjp(pass_forward, lambda pull, cotangent: pull(cotangent))
    return through
