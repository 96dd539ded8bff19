"""Networks with weights of one's own, from a file."""

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

    No start weights are drawn: the module is made of shapes alone, and filled.

    Args:
      name: one of `ARCHITECTURES`.
      path: of the weights, `.safetensors` in our layout or PyTorch's; or PyTorch's own `.pth`,
        which needs PyTorch.
      image_shape: `(H, W, C)`; by default the architecture's.
      num_classes: `K`; by default the architecture's.
    Returns:
      The network in evaluation mode.
    Raises:
      FileNotFoundError: there is no such file.
      ImportError: the file is PyTorch's own, and PyTorch is not installed.
      ValueError: unknown name, or a file that is damaged, holds NaN, or does not fit; the message
        lists missing, extra and unfitting tensors.
    """
    model = outline(name, image_shape, num_classes)
    restore(model, Path(path), name)
    _wind_up(model)
    return model


def _wind_up(model: Network) -> None:
    """Starts the random streams that training would draw from (dropout)."""
    streams = nnx.to_flat_state(nnx.state(model, nnx.RngState))
    for number, (_, variable) in enumerate(streams):
        is_key = jnp.issubdtype(variable.dtype, jax.dtypes.prng_key)
        variable.set_value(
            jax.random.key(number) if is_key else jnp.zeros(variable.shape, jnp.uint32)
        )
