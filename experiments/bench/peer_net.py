"""The small convolutional network of `bench peers`, in JAX and as a PyTorch copy.

32x32x3 images in [0, 1], three 3x3 convolutions with stride 2 (width, 2 and 4 times width filters)
and ReLU, a mean over the positions, 10 classes. The weights are drawn once, and the bias of class 0
puts it ahead by more than one pixel can change: no attack succeeds, so none ends early.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

IMAGE_SHAPE = (32, 32, 3)
NUM_CLASSES = 10
LABEL = 0
NUM_CONVS = 3
LEAD = 4.0  # in logits; large enough to keep every prediction, small enough not to saturate

Weights = dict[str, np.ndarray]


def make_weights(width: int = 16, seed: int = 0) -> Weights:
    """Kernels `[3, 3, in, out]` with He's scale, the last layer `[in, K]` and its bias `[K]`."""
    rng = np.random.default_rng(seed)
    weights = {}
    sizes = [IMAGE_SHAPE[2], *(width * 2**i for i in range(NUM_CONVS))]
    for i, (size_in, size_out) in enumerate(itertools.pairwise(sizes), start=1):
        scale = np.sqrt(2 / (9 * size_in))
        weights[f"conv{i}"] = scale * rng.standard_normal((3, 3, size_in, size_out))
    weights["dense"] = rng.standard_normal((sizes[-1], NUM_CLASSES)) / np.sqrt(sizes[-1])
    weights["bias"] = LEAD * (np.arange(NUM_CLASSES) == LABEL)
    return {name: value.astype(np.float32) for name, value in weights.items()}


def make_images(count: int, seed: int = 1) -> np.ndarray:
    """`[count, H, W, C]` float32 noise in [0, 1]."""
    return np.random.default_rng(seed).random((count, *IMAGE_SHAPE), np.float32)


def apply(weights: dict[str, Any], images: Array) -> Array:
    """Logits `[B, K]` of images `[B, H, W, C]`."""
    x = images
    for i in range(1, NUM_CONVS + 1):
        # Padded by hand: "SAME" would pad a stride of 2 on one side only, unlike PyTorch.
        x = lax.conv_general_dilated(
            x,
            weights[f"conv{i}"],
            window_strides=(2, 2),
            padding=((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jax.nn.relu(x)
    return jnp.mean(x, axis=(1, 2)) @ weights["dense"] + weights["bias"][None]


def torch_copy(weights: Weights) -> Any:
    """The same network as a `torch.nn.Sequential` for images `[B, C, H, W]`, on the CPU."""
    import torch  # pyright: ignore[reportMissingImports]
    from torch import nn  # pyright: ignore[reportMissingImports]

    layers = []
    for i in range(1, NUM_CONVS + 1):
        kernel = weights[f"conv{i}"].transpose(3, 2, 0, 1)  # to [out, in, 3, 3]
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, stride=2, padding=1, bias=False)
        conv.weight.data = torch.tensor(kernel)
        layers += [conv, nn.ReLU()]
    dense = nn.Linear(*weights["dense"].shape)
    dense.weight.data = torch.tensor(weights["dense"].T)
    dense.bias.data = torch.tensor(weights["bias"])
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense).eval()


def to_torch(images: np.ndarray) -> Any:
    """`[B, H, W, C]` to a tensor `[B, C, H, W]`."""
    import torch  # pyright: ignore[reportMissingImports]

    return torch.tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
