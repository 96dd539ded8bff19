"""These tests run tiny programs once each, so compiling them dominates: the compiler is told not to
try hard, except where a test is about the bits that a fully optimized program gives."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_compiler() -> Iterator[None]:
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
