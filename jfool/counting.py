"""Counts what a function shows to a model, whatever control flow it uses.

`Evaluate` binds a primitive that holds the number of images of a call and computes nothing.
`counted` traces a function and adds these numbers up: over the iterations of a loop, over the
branch of a condition that is taken, through `jit`, `checkpoint` and `vmap`. So counts are values;
nothing is written while JAX traces. Under a `vmap` of the function's own, both branches of a
condition count, and lanes that wait for others in a loop: JAX computes them.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive, jaxpr_as_fun
from jax.interpreters import batching, mlir

from jfool.base import pytree


@pytree
class Shown:
    """Images that a model was shown, padding excluded.

    Attributes:
      queries: `[]` int, without a gradient.
      gradients: `[]` int, differentiated.
      zero_gradients: `[]` int, of these, the gradients that are zero in every component.
    """

    queries: Array
    gradients: Array
    zero_gradients: Array


def note(shown: Shown) -> None:
    """Adds to the counts of the function that is being `counted`; without effect elsewhere."""
    _shown.bind(*jax.tree.leaves(shown))


def counted(function: Callable[..., Any]) -> Callable[..., tuple[Any, Shown]]:
    """`function` that also returns what it showed to models through `jfool.Evaluate`.

    Like `jax.value_and_grad`, it traces the function at each call, so put `jax.jit` around it.

    Args:
      function: of pytrees, e.g. an attack's `step`.
    Returns:
      A function of the same arguments that returns (result, `Shown`).
    Raises:
      NotImplementedError: it evaluates inside a transformation that counts cannot pass.
    Example:
      >>> import jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(4)[:, :3])
      >>> evaluate = jfool.Evaluate(model)
      >>> images = jnp.zeros((2, 2, 2, 1))
      >>> def thrice():
      ...     return lax.map(lambda _: evaluate(jfool.Pixels(), None, images), jnp.arange(3))
      >>> int(counted(thrice)()[1].queries)
      6
    """

    def counting(*args: Any, **kwargs: Any) -> tuple[Any, Shown]:
        form = []

        def leaves() -> list[Any]:
            leaves, structure = jax.tree.flatten(function(*args, **kwargs))
            form.append(structure)
            return leaves

        outputs, shown = _run(jax.make_jaxpr(leaves)(), [])
        note(shown)  # for whoever counts this function's caller
        return jax.tree.unflatten(form[0], outputs), shown

    return counting


_shown = Primitive("jfool_shown")
_shown.multiple_results = True
_shown.def_impl(lambda *counts: list(counts))
_shown.def_abstract_eval(lambda *counts: list(counts))
batching.primitive_batchers[_shown] = lambda counts, axes: (_shown.bind(*counts), axes)
mlir.register_lowering(_shown, lambda _, *counts: list(counts))


def _run(closed: ClosedJaxpr, inputs: list[Any]) -> tuple[list[Any], Shown]:
    """The outputs of a jaxpr, and what it showed."""
    jaxpr = closed.jaxpr
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *inputs], strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    total = _nothing()
    for equation in jaxpr.eqns:
        given = [read(variable) for variable in equation.invars]
        outputs, shown = _step(jaxpr, equation, given)
        total = total if shown is None else _plus(total, shown)
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in jaxpr.outvars], total


def _step(jaxpr: Jaxpr, equation: Any, inputs: list[Any]) -> tuple[list[Any], Shown | None]:
    primitive = equation.primitive
    if not _shows(equation):
        return _alone(jaxpr, equation)(*inputs), None
    if primitive is _shown:
        return inputs, Shown(*(jnp.sum(count, dtype=jnp.int32) for count in inputs))
    if primitive.name not in _RULES:
        raise NotImplementedError(
            f"evaluate: expected to be called outside of {primitive.name}, "
            "through which its images cannot be counted"
        )
    return _RULES[primitive.name](inputs, **equation.params)


def _alone(jaxpr: Jaxpr, equation: Any) -> Callable[..., list[Any]]:
    """An equation of a jaxpr as a function of its inputs."""
    variables = {id(v): v for v in equation.invars if not isinstance(v, Literal)}
    alone = jaxpr.replace(
        constvars=[], invars=list(variables.values()), outvars=equation.outvars, eqns=[equation]
    )
    function = jaxpr_as_fun(ClosedJaxpr(alone, []))

    def apply(*inputs: Any) -> list[Any]:
        given = dict(zip(map(id, equation.invars), inputs, strict=True))
        return function(*(given[name] for name in variables))

    return apply


def _shows(equation: Any) -> bool:
    """Whether the model is shown anything inside an equation."""
    if equation.primitive is _shown:
        return True
    parts = [
        part
        for value in equation.params.values()
        for part in (value if isinstance(value, (tuple, list)) else [value])
    ]
    return any(_shows(inner) for part in parts for inner in getattr(part, "eqns", ()))


def _call(inputs: list[Any], **params: Any) -> tuple[list[Any], Shown]:
    """Of `jit`, `checkpoint` and functions with their own derivatives: their content."""
    (inner,) = (params[name] for name in ("jaxpr", "call_jaxpr", "fun_jaxpr") if name in params)
    closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, [])
    return _run(closed, inputs)


def _cond(inputs: list[Any], *, branches: Any, **_: Any) -> tuple[list[Any], Shown]:
    index, *operands = inputs
    return lax.switch(index, [_function(branch) for branch in branches], operands)


def _scan(
    inputs: list[Any],
    *,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    length: int,
    reverse: bool,
    unroll: int,
    **_: Any,
) -> tuple[list[Any], Shown]:
    consts, carry, xs = _split(inputs, num_consts, num_carry)

    def body(now: tuple[list[Any], Shown], x: list[Any]) -> Any:
        outputs, shown = _run(jaxpr, [*consts, *now[0], *x])
        carry, ys, _ = _split(outputs, num_carry, len(outputs) - num_carry)
        return (carry, _plus(now[1], shown)), ys

    start = (carry, _nothing())
    (carry, shown), ys = lax.scan(body, start, xs, length, reverse, unroll)
    return [*carry, *ys], shown


def _while(
    inputs: list[Any],
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
    **_: Any,
) -> tuple[list[Any], Shown]:
    test_consts, body_consts, carry = _split(inputs, cond_nconsts, body_nconsts)
    start = (carry, _nothing())

    def test(carry: list[Any]) -> Array:
        """`[]`; of a loop that was vmapped with a condition of each lane, one for each."""
        return _run(cond_jaxpr, [*test_consts, *carry])[0][0]

    def body(now: tuple[list[Any], Shown]) -> tuple[list[Any], Shown]:
        going = test(now[0])
        carry, shown = _run(body_jaxpr, [*body_consts, *now[0]])
        if going.ndim:
            carry = [
                jnp.where(going.reshape(going.shape + (1,) * (new.ndim - going.ndim)), new, old)
                for new, old in zip(carry, now[0], strict=True)
            ]
        return carry, _plus(now[1], shown)

    if any(map(_shows, cond_jaxpr.jaxpr.eqns)):
        raise NotImplementedError(
            "evaluate: expected to be called in the body of a loop, got a call in its condition"
        )
    return lax.while_loop(lambda now: test(now[0]).any(), body, start)


_RULES = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat2"), _call),
    **dict.fromkeys(("custom_jvp_call", "custom_vjp_call"), _call),
    "cond": _cond,
    "scan": _scan,
    "while": _while,
}


def _function(closed: ClosedJaxpr) -> Callable[[list[Any]], tuple[list[Any], Shown]]:
    return lambda inputs: _run(closed, inputs)


def _split(values: list[Any], first: int, second: int) -> tuple[list[Any], list[Any], list[Any]]:
    return values[:first], values[first : first + second], values[first + second :]


def _nothing() -> Shown:
    return Shown(*(jnp.zeros((), jnp.int32) for _ in dataclasses.fields(Shown)))


def _plus(a: Shown, b: Shown) -> Shown:
    return jax.tree.map(jnp.add, a, b)
