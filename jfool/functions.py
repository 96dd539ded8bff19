"""Functions with arguments bound to them, as pytrees: other numbers, same program."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jfool.base import pytree, static


@pytree
class Function:
    """What `functools.partial` makes, as a pytree.

    Floats and arrays among the bound arguments are leaves, so a fresh partial with other numbers
    needs no new compilation. All else is static: whole numbers and truths, on which functions
    branch in Python (`nesterov=True`), and functions, which are told apart by identity.

    Attributes:
      numbers: the leaves among the arguments.
      function: what is called.
      others: all arguments, with None in the place of a number.
      structure: how they make up `(args, kwargs)`.
    """

    numbers: tuple[Any, ...]
    function: Callable[..., Any] = static()
    others: tuple[Any, ...] = static()
    structure: Any = static()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._bound()(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self._bound())

    def _bound(self) -> Callable[..., Any]:
        numbers = iter(self.numbers)
        leaves = [next(numbers) if other is None else other for other in self.others]
        args, kwargs = jax.tree.unflatten(self.structure, leaves)
        return functools.partial(self.function, *args, **kwargs) if leaves else self.function


def as_pytree(function: Any) -> Any:
    """A function, or a `functools.partial` of one, as a `Function`; anything else unchanged."""
    if isinstance(function, Function) or not callable(function):
        return function
    args, kwargs = (), {}
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    leaves, structure = jax.tree.flatten((args, kwargs))
    numbers = tuple(filter(_is_number, leaves))
    others = tuple(None if _is_number(leaf) else leaf for leaf in leaves)
    return Function(numbers, function, others, structure)


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (float, np.floating, np.ndarray, jax.Array))
