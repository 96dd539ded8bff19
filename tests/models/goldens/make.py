"""Runs original PyTorch networks and writes what their layers give, for our ports to reproduce.

From the root of the repository, with torch and torchvision installed:

    python -m tests.models.goldens.make [NAME ...]

Each network gets weights and images by `formula`, computes in double precision, and leaves
`NAME.safetensors`: some values of every layer that the port names, and in the metadata what it took
to make them.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torchvision  # pyright: ignore[reportMissingImports]
from safetensors.numpy import save_file
from torch import nn  # pyright: ignore[reportMissingImports]

from tests.models.goldens import formula
from tests.models.goldens.originals import ORIGINALS, Original


def fill(model: nn.Module, gain: float) -> None:
    """Weights and statistics by formula."""
    for name, tensor in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(formula.weight(name, tuple(tensor.shape), gain)))


def activations(original: Original) -> dict[str, np.ndarray]:
    """`[B, H, W, C]` or `[B, N]` of every layer, in the order of the forward pass."""
    model = original.make().eval()
    fill(model, original.gain)
    model.double()
    found: dict[str, np.ndarray] = {}

    def keep(layer: str) -> Callable[..., None]:
        # A copy: a ReLU may write over its input.
        return lambda module, inputs, output: found.update({layer: channels_last(output)})

    for layer, node in original.nodes.items():
        model.get_submodule(node).register_forward_hook(keep(layer))
    images = formula.images(original.image_shape).astype(np.float64)
    images = (images - np.array(original.mean)) / np.array(original.std)
    model(torch.from_numpy(images.transpose(0, 3, 1, 2)))
    if tuple(found) != tuple(original.nodes):
        raise ValueError(f"expected the layers {list(original.nodes)}, got {list(found)}")
    return found


def channels_last(output: torch.Tensor) -> np.ndarray:
    """A pooled `[B, C, 1, 1]` counts as `[B, C]`."""
    array = output.numpy().copy()
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    return array.reshape(len(array), -1) if array.shape[1:3] == (1, 1) else array


def complaints(found: dict[str, np.ndarray]) -> Iterator[str]:
    """Layers that would show little: vanished, exploded, or the same for both images."""
    for layer, activation in found.items():
        largest = abs(activation).max()
        differ = abs(activation[0] - activation[1]).max() / largest
        if not 1e-2 < largest < 1e4 or differ < 1e-2:
            yield f"{layer}: largest magnitude {largest:.2g}, images differ by {differ:.2g} of it"


@torch.no_grad()
def main(names: list[str]) -> None:
    for name in names or ORIGINALS:
        original = ORIGINALS[name]
        found = activations(original)
        if problems := list(complaints(found)):
            raise ValueError(f"{name}: {'; '.join(problems)}")
        metadata = {
            "image_shape": json.dumps(original.image_shape),
            "num_classes": str(found[list(found)[-1]].shape[1]),
            "gain": str(original.gain),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        }
        path = Path(__file__).with_name(f"{name}.safetensors")
        save_file({layer: formula.samples(x) for layer, x in found.items()}, path, metadata)
        largest = {layer: f"{abs(x).max():.2g}" for layer, x in found.items()}
        print(name, *(f"{layer} {magnitude}" for layer, magnitude in largest.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
