"""The three models of Kumano et al. (2020), section 4: no biases, images in [0, 1].

`K` classes, `D` pixels, `D_h` hidden units.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Float, Int, Key

import models
from jfool import theory
from jfool.base import Images, Logits, PRNGKey, pytree


@pytree
class Linear:
    """y = W x.

    Attributes:
      W: `[K, D]`.
    """

    W: Array

    def __call__(self, images: Images) -> Logits:
        return images.reshape(len(images), -1) @ self.W.T

    def certificates(self, target: int) -> theory.Certificates:
        """Theorem 1 for two classes, the greedy choice on the log-odds for more."""
        if len(self.W) == 2:
            return theory.linear(self.W[target] - self.W[1 - target])
        return theory.linear_among(self.W, target)


@pytree
class HiddenLayer:
    """y = V relu(U x).

    Attributes:
      U: `[D_h, D]`.
      V: `[K, D_h]`.
    """

    U: Array
    V: Array

    def __call__(self, images: Images) -> Logits:
        return jax.nn.relu(images.reshape(len(images), -1) @ self.U.T) @ self.V.T

    def certificates(self, target: int) -> theory.Certificates:
        """Algorithm 1, for more than two classes on the log-odds."""
        if len(self.V) == 2:
            return theory.hidden_layer(self.U, self.V[target] - self.V[1 - target])
        return theory.hidden_layer_among(self.U, self.V, target)


@pytree
class KernelMachine:
    """y_c = sum_n s_{c,n} (x_n . x)^2 = x^T Q_c x.

    Attributes:
      Q: `[K, D, D]`, sum_n s_{c,n} x_n x_n^T.
    """

    Q: Array

    def __call__(self, images: Images) -> Logits:
        x = images.reshape(len(images), -1)
        return jnp.stack([((x @ Q) * x).sum(1) for Q in self.Q], axis=1)

    def certificates(self, target: int) -> theory.Certificates:
        """Algorithm 2, for more than two classes on the log-odds."""
        if len(self.Q) == 2:
            return theory.polynomial(self.Q[target] - self.Q[1 - target])
        return theory.polynomial_among(self.Q, target)


Model = Linear | HiddenLayer | KernelMachine
MODELS = {"linear": "linear", "hidden": "hidden layer", "kernel": "kernel machine"}


def start(name: str, key: PRNGKey, num_pixels: int, num_classes: int, hidden: int) -> Model:
    """An untrained model; the kernel machine has seen no data, and so is 0."""
    if name == "linear":
        return Linear(jnp.zeros((num_classes, num_pixels)))
    if name == "kernel":
        return KernelMachine(jnp.zeros((num_classes, num_pixels, num_pixels)))
    he = jax.nn.initializers.he_normal(in_axis=1, out_axis=0)
    inner, outer = jax.random.split(key)
    return HiddenLayer(he(inner, (hidden, num_pixels)), he(outer, (num_classes, hidden)))


def trained(
    model: Model,
    optimizer: optax.GradientTransformation,
    key: PRNGKey,
    dataset: models.Dataset,
    num_steps: int,
    batch_size: int,
) -> Model:
    """The model after `num_steps` of an optimizer on softmax cross-entropy.

    Plain gradient descent from Q = 0 trains the kernel machine in its dual: a step adds
    rate * sum_n ([c = label_n] - p_c(x_n)) x_n x_n^T to Q_c, so that Q_c = sum_n s_{c,n} x_n x_n^T
    always holds, with s_{c,n} the residuals of x_n added up. For two classes s_1 = -s_2, and the
    gap y_1 - y_2 is that of the paper's machine, whose classes keep to their own data.
    """

    @jax.jit
    def fit(params: Any, keys: Key[Array, " steps"], x: Array, y: Array) -> Model:
        def step(carry: tuple[Any, Any], key: PRNGKey) -> tuple[tuple[Any, Any], None]:
            params, state = carry
            picked = jax.random.randint(key, (batch_size,), 0, len(x))
            gradient = jax.grad(loss)(params, x[picked].astype(jnp.float32) / 255, y[picked])
            updates, state = optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, optimizer.init(params)), keys)[0][0]

    x, y = jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels)
    return fit(model, jax.random.split(key, num_steps), x, y)


def loss(model: Model, images: Images, labels: Int[Array, " B"]) -> Float[Array, ""]:
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()


def only(dataset: models.Dataset, pair: tuple[int, int]) -> models.Dataset:
    """The images of two classes, which become classes 0 and 1."""
    arrays = {}
    for split in ("train", "test"):
        labels = getattr(dataset, f"{split}_labels")
        kept = np.isin(labels, pair)
        arrays[f"{split}_images"] = getattr(dataset, f"{split}_images")[kept]
        arrays[f"{split}_labels"] = (labels[kept] == pair[1]).astype(np.int32)
    names = tuple(dataset.class_names[c] for c in pair)
    return models.Dataset(f"{dataset.name}_{pair[0]}-{pair[1]}", **arrays, class_names=names)
