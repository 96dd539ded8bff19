"""Names of earlier versions: using one raises an error with the new name."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
EXPORTS = {"GreedyPixels": "GreedySearch", "progress": "confidence_steps"}  # of `jfool`


def renamed(**names: str) -> Callable[[type[T]], type[T]]:
    """Decorates a class whose options were renamed, given as `old="new"`."""

    def decorate(cls: type[T]) -> type[T]:
        init = cls.__init__

        @functools.wraps(init)
        def checked(self: Any, *args: Any, **kwargs: Any) -> None:
            if old := names.keys() & kwargs.keys():
                name = min(old)
                raise TypeError(f"{cls.__name__}: {name} is now called {names[name]}")
            init(self, *args, **kwargs)

        cls.__init__ = checked
        return cls

    return decorate
