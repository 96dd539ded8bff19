"""Ten scans of handwritten digits."""

from importlib import resources
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

SCANS = "digits.npz"


class Digits(NamedTuple):
    """
    images: `[10, 28, 28, 1]` float32 in [0, 1], white ink on black.
    labels: `[10]` int32, the digits 0 to 9.
    """

    images: Array
    labels: Array


def digits() -> Digits:
    """Ten handwritten digits that `lenet()` was not trained on, one of each class.

    Of each class, the first of the scans that were held out; `lenet()` reads all ten. They are 8x8
    scans of 17 grey levels, enlarged to 28x28 by bilinear interpolation.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0; taken from scikit-learn.
    Example:
      >>> images, labels = digits()
      >>> images.shape, labels.tolist()
      ((10, 28, 28, 1), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    with (
        resources.files("jfool.examples").joinpath(SCANS).open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        images = arrays["images"].astype(np.float32) / np.float32(255)
        return Digits(jnp.asarray(images), jnp.asarray(arrays["labels"]))
