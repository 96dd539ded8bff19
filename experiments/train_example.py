"""Trains the network of `jfool.examples` on scikit-learn's digits, and keeps ten test images.

From a clone: `python -m experiments.train_example`, a minute on two cores; `--out FOLDER` writes
there and leaves the files of the package as they are. It prints the accuracy on the 360 scans that
are held out. On other machines the weights may differ a little, and the accuracy by a scan or so.
"""

import argparse
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

import models
from jfool.examples.network import WEIGHTS, LeNet, from_arrays
from jfool.examples.scans import SCANS

PACKAGE = Path(__file__).parents[1] / "jfool" / "examples"
SHAPES = {
    "conv1": (5, 5, 1, 6),
    "conv2": (5, 5, 6, 16),
    "dense1": (400, 120),
    "dense2": (120, 84),
    "dense3": (84, 10),
}
SEED = 0
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 2e-3
MOST_SHIFT = 2  # pixels, in either direction; drawn anew for each image of each step


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=PACKAGE, help="default: into the package")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    data = models.load_dataset("digits")
    network = train(data.train_images, data.train_labels, jax.random.key(SEED))
    arrays = {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf, np.float16)
        for path, leaf in jax.tree_util.tree_leaves_with_path(network)
    }
    np.savez_compressed(out / WEIGHTS, allow_pickle=False, **arrays)
    chosen = first_of_each_class(data.test_labels)
    np.savez_compressed(
        out / SCANS,
        allow_pickle=False,
        images=data.test_images[chosen],
        labels=data.test_labels[chosen],
    )

    kept = from_arrays(arrays)
    right = np.asarray(kept(to_floats(data.test_images)).argmax(1)) == data.test_labels
    print(f"held out: {right.sum()} of {len(right)} right ({right.mean():.2%})")
    print(f"the ten that are kept: {right[chosen].sum()} right")
    print(f"{sum((out / name).stat().st_size for name in (WEIGHTS, SCANS))} bytes in {out}")


def train(images: np.ndarray, labels: np.ndarray, key: Array) -> LeNet:
    """Adam with a rate that falls to 0 as a cosine."""
    start_key, order_key = jax.random.split(key)
    steps = len(images) // BATCH
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, EPOCHS * steps))
    network: Any = from_arrays(start(start_key))  # to optax, a tree of arrays
    state = optimizer.init(network)
    scans, answers = to_floats(images), jnp.asarray(labels)

    # A step at a time: in a loop, XLA's CPU compiler makes gradients of convolutions slowly.
    @jax.jit
    def step(network: Any, state: Any, rows: Array, key: Array) -> tuple[Any, Any]:
        gradient = jax.grad(loss)(network, shifted(key, scans[rows]), answers[rows])
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(network, updates), state

    for i in range(EPOCHS):
        keys = jax.random.split(jax.random.fold_in(order_key, i), steps + 1)
        order = jax.random.permutation(keys[0], len(scans))
        for j in range(steps):
            rows = order[j * BATCH : (j + 1) * BATCH]
            network, state = step(network, state, rows, keys[j + 1])
    return network


def start(key: Array) -> dict[str, np.ndarray]:
    """He's start weights (normal, variance 2 / fan in), biases of zero."""
    arrays = {}
    for i, (layer, shape) in enumerate(SHAPES.items()):
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        normal = jax.random.normal(jax.random.fold_in(key, i), shape)
        arrays[f"{layer}.kernel"] = np.asarray(normal * scale)
        arrays[f"{layer}.bias"] = np.zeros(shape[-1], np.float32)
    return arrays


def loss(network: LeNet, images: Array, labels: Array) -> Array:
    return optax.softmax_cross_entropy_with_integer_labels(network(images), labels).mean()


def shifted(key: Array, images: Array) -> Array:
    """Each image moved by at most `MOST_SHIFT` pixels; what comes in from outside is black."""
    height, width = images.shape[1:3]
    margin = (MOST_SHIFT, MOST_SHIFT)
    padded = jnp.pad(images, ((0, 0), margin, margin, (0, 0)))
    corners = jax.random.randint(key, (len(images), 2), 0, 2 * MOST_SHIFT + 1)
    cut = functools.partial(lax.dynamic_slice, slice_sizes=(height, width, 1))
    return jax.vmap(lambda image, at: cut(image, (at[0], at[1], 0)))(padded, corners)


def first_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Where each class comes first, in the order of the classes."""
    return np.unique(labels, return_index=True)[1]


def to_floats(images: np.ndarray) -> Array:
    """Bytes to numbers in [0, 1]."""
    return jnp.asarray(images, jnp.float32) / 255


if __name__ == "__main__":
    main()
