"""Counts a function's operations from its trace, the same for every device."""

import math
from collections.abc import Callable
from typing import Any

import jax


def count_operations(function: Callable[..., Any], *arguments: Any) -> int:
    """Multiplications and additions of the matrix products and convolutions of one call.

    As in published figures, a multiply-add counts as two, padding counts like the image, and
    everything else, such as activations and norms, counts nothing. A loop of known length counts
    each iteration, a `while_loop` counts once, and of branches the largest counts.

    Args:
      function: of arrays.
      arguments: pytrees of arrays, or of their shapes.
    Example:
      >>> import jax.numpy as jnp
      >>> count_operations(jnp.matmul, jnp.ones((2, 3)), jnp.ones((3, 5)))
      60
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of_jaxpr(jaxpr: Any) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
        (contracted, _), _ = params["dimension_numbers"]
        return 2 * math.prod(out) * math.prod(left[axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel, out = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
        features_out = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2 * math.prod(out) * math.prod(kernel) // features_out
    inner = [_of_jaxpr(jaxpr) for jaxpr in _jaxprs(params)]
    if name == "cond":
        return max(inner)
    return sum(inner) * (params["length"] if name == "scan" else 1)


def _jaxprs(params: dict[str, Any]) -> list[Any]:
    values = [
        part
        for value in params.values()
        for part in (value if isinstance(value, (tuple, list)) else (value,))
    ]
    closed = [getattr(value, "jaxpr", value) for value in values]
    return [jaxpr for jaxpr in closed if hasattr(jaxpr, "eqns")]
