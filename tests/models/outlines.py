"""Networks without weights, made once for many tests."""

import functools
from collections.abc import Iterable
from typing import Any

import pytest

from models import Network, outline

# They repeat the blocks of a shallower network, or are large: only the slow tests look at them.
DEEP = (
    *("resnet101", "vgg16", "vgg16_bn"),
    *("cifar_resnet32", "cifar_resnet44", "cifar_resnet56", "cifar_resnet110"),
)


@functools.cache
def outlined(name: str) -> Network:
    """Shared: a test that changes it works on a clone."""
    return outline(name)


def marked(names: Iterable[str]) -> list[Any]:
    """Names for `parametrize`, the deep ones marked as slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in names]
