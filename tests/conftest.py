"""jfool's own tests run with strict dtypes and ranks, and with checked keys, on the CPU."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)
