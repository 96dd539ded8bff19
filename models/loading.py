"""Networks with weights from a file."""

from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx

from models.network import Network
from models.weights import restore
from models.zoo import outline


def load(
    name: str,
    path: str | Path,
    image_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
) -> Network:
    """A network with the weights of a file.

    No initial weights are drawn: the module is created without weights and then filled.

    Args:
      name: one of `ARCHITECTURES`.
      path: of the weights, in our layout or PyTorch's: safetensors, the index of several, or a file
        of `torch.save`, for which PyTorch is not needed; see `models.restore`.
      image_shape: `(H, W, C)`; by default the architecture's.
      num_classes: `K`; by default the architecture's.
    Returns:
      The network in evaluation mode.
    Raises:
      FileNotFoundError: there is no such file.
      TypeError: not a path.
      ValueError: unknown name, or a file that is damaged, contains NaN, or does not fit; the
        message says what the misfits have in common.
    """
    model = outline(name, image_shape, num_classes)
    restore(model, path, name)
    _start_streams(model)
    return model


def _start_streams(model: Network) -> None:
    """Gives initial values to the random streams (dropout)."""
    streams = nnx.to_flat_state(nnx.state(model, nnx.RngState))
    for number, (_, variable) in enumerate(streams):
        is_key = jnp.issubdtype(variable.dtype, jax.dtypes.prng_key)
        variable.set_value(
            jax.random.key(number) if is_key else jnp.zeros(variable.shape, jnp.uint32)
        )
