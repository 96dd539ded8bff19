"""A small trained LeNet in plain JAX."""

from collections.abc import Iterator
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jfool.base import Images, Logits, pytree

WEIGHTS = "lenet.npz"


@pytree
class Layer:
    """
    kernel: `[height, width, in, out]` of a convolution, `[in, out]` of a fully connected layer.
    bias: `[out]`.
    """

    kernel: Array
    bias: Array


@pytree
class LeNet:
    """LeNet-5 with ReLU and max pooling, for images `[B, 28, 28, 1]`: 61 706 parameters.

    conv 6@5x5 (padded) - ReLU - pool - conv 16@5x5 - ReLU - pool - 120 - ReLU - 84 - ReLU - 10.
    `features(images, name)` gives what the layer of that name (an attribute) puts out, after its
    ReLU and, for the convolutions, its pooling.

    Reference: LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document
    recognition, 1998. Its units are scaled tanh, it pools by averages, and a map of its second
    convolution sees some maps of the first only.
    """

    conv1: Layer
    conv2: Layer
    dense1: Layer
    dense2: Layer
    dense3: Layer

    def __call__(self, images: Images) -> Logits:
        return dict(self._walk(images))["dense3"]

    def features(self, images: Images, layer: str) -> Array:
        """`[B, ...]`, what a layer puts out.

        Raises:
          ValueError: there is no such layer.
        """
        outputs = dict(self._walk(images))
        if layer not in outputs:
            raise ValueError(f"layer: expected one of {', '.join(outputs)}, got {layer!r}")
        return outputs[layer]

    def _walk(self, images: Images) -> Iterator[tuple[str, Array]]:
        x = _halve(jax.nn.relu(_convolve(self.conv1, images, "SAME")))
        yield "conv1", x
        x = _halve(jax.nn.relu(_convolve(self.conv2, x, "VALID")))
        yield "conv2", x
        x = jax.nn.relu(_multiply(self.dense1, x.reshape(len(x), -1)))
        yield "dense1", x
        x = jax.nn.relu(_multiply(self.dense2, x))
        yield "dense2", x
        yield "dense3", _multiply(self.dense3, x)


def lenet() -> LeNet:
    """A LeNet trained on handwritten digits.

    It reads 359 of the 360 scans that were held out (99.7 %), a fifth of scikit-learn's 1 797
    digits, in the form in which `digits()` has ten of them. `python -m experiments.train_example`
    in a clone of the repository trained it. The weights are kept in float16.

    Returns:
      A callable pytree, `images [B, 28, 28, 1] in [0, 1] -> logits [B, 10]` float32.
    Example:
      >>> lenet()(jnp.zeros((2, 28, 28, 1))).shape
      (2, 10)
    """
    with (
        resources.files("jfool.examples").joinpath(WEIGHTS).open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return from_arrays(dict(arrays))


def from_arrays(arrays: dict[str, np.ndarray]) -> LeNet:
    """The network of arrays named as `conv1.kernel`, in float32."""
    layers = dict.fromkeys(name.partition(".")[0] for name in arrays)
    return LeNet(
        **{
            layer: Layer(
                *(
                    jnp.asarray(arrays[f"{layer}.{part}"], jnp.float32)
                    for part in ("kernel", "bias")
                )
            )
            for layer in layers
        }
    )


def _convolve(layer: Layer, x: Array, padding: str) -> Array:
    axes = ("NHWC", "HWIO", "NHWC")
    convolved = lax.conv_general_dilated(x, layer.kernel, (1, 1), padding, dimension_numbers=axes)
    return convolved + layer.bias.reshape(1, 1, 1, -1)


def _multiply(layer: Layer, x: Array) -> Array:
    return x @ layer.kernel + layer.bias.reshape(1, -1)


def _halve(x: Array) -> Array:
    """Maxima of 2 x 2 blocks."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
