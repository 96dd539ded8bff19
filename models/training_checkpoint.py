"""The state of an unfinished training, in one file: training resumes after the last epoch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models.cache import replacing
from models.paths import given_path, shown


@dataclass(frozen=True)
class TrainingCheckpoint:
    """A file with the number of finished epochs and everything that the next epoch needs.

    Attributes:
      path: of the file, ending in `.safetensors`.
      origin: what is trained, on what data and how, in JSON types. A file with another origin is
        ignored.
    """

    path: Path
    origin: dict[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", given_path(self.path))
        if not isinstance(self.origin, dict):
            raise TypeError(f"origin: expected a dictionary of facts, got {self.origin!r:.60}")
        try:
            json.dumps(self.origin, sort_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"origin: expected JSON types, got others: {error!s:.100}") from error

    def save(self, epoch: int, state: Any) -> None:
        """Replaces the file.

        Args:
          epoch: number of finished epochs.
          state: pytree of arrays and random keys.
        """
        tensors = {name: _to_numpy(leaf) for name, leaf in _named(state).items()}
        metadata = {"epoch": str(epoch), "origin": json.dumps(self.origin, sort_keys=True)}
        with replacing(self.path) as temporary:
            save_file(tensors, temporary, metadata)

    def num_epochs(self) -> int:
        """The number of finished epochs.

        Raises:
          ValueError: the file is damaged.
        """
        return self.load(())[0]

    def load(self, start: Any) -> tuple[int, Any]:
        """The number of finished epochs and the state after them; `(0, start)` without a file.

        Raises:
          ValueError: the file is damaged.
        """
        if not self.path.exists():
            return 0, start
        try:
            with safe_open(self.path, "numpy") as file:
                metadata = file.metadata()
                if metadata["origin"] != json.dumps(self.origin, sort_keys=True):
                    return 0, start
                leaves = [_like(leaf, file.get_tensor(key)) for key, leaf in _named(start).items()]
                epoch = int(metadata["epoch"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            reason = shown(str(error), 100)
            message = f"{shown(self.path)} is damaged, delete it to train from the start: {reason}"
            raise ValueError(message) from error
        return epoch, jax.tree.unflatten(jax.tree.structure(start), leaves)

    def delete(self) -> None:
        """Removes the file, if there is one."""
        self.path.unlink(missing_ok=True)


def _named(tree: Any) -> dict[str, jax.Array]:
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _to_numpy(leaf: jax.Array) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _like(leaf: jax.Array, tensor: np.ndarray) -> jax.Array:
    """Turns a tensor of the file back into the array or key that it was saved from."""
    expected = _to_numpy(leaf)
    if (tensor.shape, tensor.dtype) != (expected.shape, expected.dtype):
        got = f"{tensor.dtype}{list(tensor.shape)}"
        raise ValueError(f"expected {expected.dtype}{list(expected.shape)}, got {got}")
    array = jnp.asarray(tensor)
    if not _is_key(leaf):
        return array
    return jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf))
