"""Where an interrupted training stands, in one file, so that it goes on from its last epoch."""

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


@dataclass(frozen=True)
class Progress:
    """A file that holds an epoch's number and everything that the next epoch needs.

    Attributes:
      path: of the file, ending in `.safetensors`.
      origin: what is trained on what and how, in JSON types; a file of another origin is no
        progress.
    """

    path: Path
    origin: dict[str, Any]

    def save(self, epoch: int, state: Any) -> None:
        """Replaces the file.

        Args:
          epoch: how many epochs are done.
          state: pytree of arrays; random keys are among them.
        """
        tensors = {name: _to_numpy(leaf) for name, leaf in _named(state).items()}
        metadata = {"epoch": str(epoch), "origin": json.dumps(self.origin, sort_keys=True)}
        with replacing(self.path) as temporary:
            save_file(tensors, temporary, metadata)

    def num_epochs(self) -> int:
        """How many epochs are done.

        Raises:
          ValueError: the file is damaged.
        """
        return self.load(())[0]

    def load(self, start: Any) -> tuple[int, Any]:
        """The number of epochs done and the state behind them; `(0, start)` if there are none.

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
            raise ValueError(
                f"{self.path} is not a whole record of a training, delete it to start anew: {error}"
            ) from error
        return epoch, jax.tree.unflatten(jax.tree.structure(start), leaves)

    def clear(self) -> None:
        """Forgets it, when the training is over."""
        self.path.unlink(missing_ok=True)


def _named(tree: Any) -> dict[str, jax.Array]:
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _to_numpy(leaf: jax.Array) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _like(leaf: jax.Array, tensor: np.ndarray) -> jax.Array:
    """A tensor of a file as the leaf it was."""
    expected = _to_numpy(leaf)
    if (tensor.shape, tensor.dtype) != (expected.shape, expected.dtype):
        raise ValueError(
            f"expected {expected.dtype}{list(expected.shape)}, "
            f"got {tensor.dtype}{list(tensor.shape)}"
        )
    array = jnp.asarray(tensor)
    return (
        jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else array
    )
