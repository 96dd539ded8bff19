"""Settings of a sweep as JSON types, so that no sweep resumes with other settings."""

import hashlib
import itertools
import re
from typing import Any

import jax
import numpy as np

from jfool.base import is_key
from jfool.rows import Rows

_ADDRESS = re.compile(r" at 0x[0-9a-f]+|\bid=\d+")


def describe(tree: Any) -> str:
    """A pytree's structure as text, without numbers or addresses."""
    return _ADDRESS.sub("", str(jax.tree.structure(tree)))


def digest(tree: Any) -> str:
    """SHA-256 of the structure and all numbers of a pytree; of `Rows`, of the index and the images
    that it points to."""
    sha = hashlib.sha256(describe(tree).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path)
        if isinstance(leaf, Rows):
            sha.update(f"{name} rows of {leaf.data.dtype} {leaf.shape}".encode())
            for array in itertools.chain([leaf.index], leaf.pieces()):
                sha.update(_bytes(array))
        else:
            array = to_numpy(leaf)
            sha.update(f"{name} {array.dtype} {array.shape}".encode())
            sha.update(_bytes(array))
    return sha.hexdigest()


def _bytes(array: np.ndarray) -> memoryview:
    """Those of an array, without a copy if they lie together."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def to_numpy(leaf: Any) -> np.ndarray:
    """A leaf as a NumPy array; typed keys as their data."""
    if is_key(leaf):
        return np.asarray(jax.random.key_data(leaf))
    return np.asarray(leaf)
