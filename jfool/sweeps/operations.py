"""Counts what a function does from its trace, the same for every device."""

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
    return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr, _multiply_adds)


def written_bytes(function: Callable[..., Any], *arguments: Any) -> int:
    """Bytes of the arrays that the operations of one call make, as if none were fused.

    Loops and branches count as in `count_operations`.

    Example:
      >>> import jax.numpy as jnp
      >>> written_bytes(lambda x: jnp.sin(jnp.matmul(x, x)), jnp.ones((3, 3)))
      72
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr, _written)


def _of_jaxpr(jaxpr: Any, cost: Callable[[Any], int]) -> int:
    return sum(_of_equation(equation, cost) for equation in jaxpr.eqns)


def _of_equation(equation: Any, cost: Callable[[Any], int]) -> int:
    name, params = equation.primitive.name, equation.params
    inner = [_of_jaxpr(jaxpr, cost) for jaxpr in _jaxprs(params)]
    if not inner:
        return cost(equation)
    if name == "cond":
        return max(inner)
    return sum(inner) * (params["length"] if name == "scan" else 1)


def _multiply_adds(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
        (contracted, _), _ = params["dimension_numbers"]
        return 2 * math.prod(out) * math.prod(left[axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel, out = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
        features_out = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2 * math.prod(out) * math.prod(kernel) // features_out
    return 0


def _written(equation: Any) -> int:
    made = [variable.aval for variable in equation.outvars]
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in made)


def _jaxprs(params: dict[str, Any]) -> list[Any]:
    values = [
        part
        for value in params.values()
        for part in (value if isinstance(value, (tuple, list)) else (value,))
    ]
    closed = [getattr(value, "jaxpr", value) for value in values]
    return [jaxpr for jaxpr in closed if hasattr(jaxpr, "eqns")]
