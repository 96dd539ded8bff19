"""Settings of a sweep as JSON types, so that no sweep resumes with other settings."""

import hashlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_ADDRESS = re.compile(r" at 0x[0-9a-f]+|\bid=\d+")


def describe(tree: Any) -> str:
    """A pytree's structure as text, without numbers or addresses."""
    return _ADDRESS.sub("", str(jax.tree.structure(tree)))


def digest(tree: Any) -> str:
    """SHA-256 of the structure and all numbers of a pytree."""
    sha = hashlib.sha256(describe(tree).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = to_numpy(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def to_numpy(leaf: Any) -> np.ndarray:
    """A leaf as a NumPy array; typed keys as their data."""
    if is_key(leaf):
        return np.asarray(jax.random.key_data(leaf))
    return np.asarray(leaf)


def is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
