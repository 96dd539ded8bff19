"""Weights and images made by a formula, the same on every machine, for ports to be compared with.

Imported by the script that runs the originals and by the tests that run the ports.
"""

import math
import zlib

import numpy as np

SAMPLES = 64


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Float32 in [0, 1): 32-bit integers are mixed, so no library's generator matters."""
    x = np.arange(math.prod(shape), dtype=np.uint32)
    x += np.uint32(zlib.crc32(name.encode()))
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint32(shift)
        x *= np.uint32(factor)
    x ^= x >> np.uint32(16)
    x >>= np.uint32(8)
    return (x.astype(np.float32) / np.float32(2**24)).reshape(shape)


def weight(name: str, shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    """A tensor of a PyTorch state dict, in a range that keeps activations alive.

    Args:
      name: PyTorch's; decides the values and, by its ending, their range.
      shape: PyTorch's.
      gain: on kernels; below 1 for residual networks, whose branches add up.
    """
    value = uniform(name, shape)
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return 0.5 + value
    if len(shape) == 1:
        return 0.4 * value - 0.2
    fan_in = math.prod(shape[1:])
    return (2 * value - 1) * np.float32(gain * math.sqrt(6 / fan_in))


def images(image_shape: tuple[int, int, int], batch: int = 2) -> np.ndarray:
    """`[B, H, W, C]` in [0, 1]."""
    return uniform("images", (batch, *image_shape))


def samples(activation: np.ndarray) -> np.ndarray:
    """Evenly spaced values of `[B, H, W, C]` or `[B, N]`, and the largest magnitude among them."""
    flat = np.asarray(activation, np.float32).ravel()
    picked = flat[np.linspace(0, len(flat) - 1, SAMPLES).astype(int)]
    return np.append(picked, abs(flat).max())
