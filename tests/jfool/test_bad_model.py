"""Models that cannot be attacked are refused before any work is done."""

import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jfool
from jfool.model_checks import check_model
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Given,
    Linear,
    assert_refused,
    weights,
)


class Net(nnx.Module):
    """A linear model with something that behaves differently in training."""

    def __init__(self, kind: str) -> None:
        rngs = nnx.Rngs(0)
        norm, dropout = nnx.BatchNorm(3, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
        self.middle = norm if kind == "norm" else dropout
        self.out = nnx.Linear(int(np.prod(SHAPE)), NUM_CLASSES, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.out(self.middle(images).reshape(len(images), -1))


def with_logits(change: Callable[[jax.Array], Any]) -> Any:
    return jfool.wrap(lambda w, x: change(x.reshape(len(x), -1) @ w), weights())


@jfool.base.pytree
class Odd:
    """Logits spoilt by `change`, and not put right by `wrap`."""

    weights: Any
    change: Callable[[jax.Array], Any] = jfool.base.static()

    def __call__(self, images: jax.Array) -> Any:
        return self.change(images.reshape(len(images), -1) @ self.weights)


def nan_weights() -> Linear:
    spoilt = weights().copy()
    spoilt[17, 2] = np.nan
    return Linear(spoilt)


# what is wrong: (the arguments of `run` that are so, the error, what its message says)
BAD: dict[str, tuple[Given, Any, str]] = {
    "dropout in training mode": (
        {"model": lambda: Net("dropout")},
        ValueError,
        r"model: .*inference mode.*middle.*training mode.*eval\(\)",
    ),
    "batch normalization in training mode": (
        {"model": lambda: Net("norm")},
        ValueError,
        r"model: .*inference mode.*middle.*training mode.*eval\(\)",
    ),
    "NaN weights": ({"model": nan_weights}, ValueError, "model: .*NaN"),
    "a bare function as model": (
        {"model": lambda: lambda images: images.mean((1, 2))},
        TypeError,
        r"model: .*jfool\.wrap",
    ),
    "a model that cannot be called": ({"model": weights}, TypeError, "model: .*callable"),
    "one logit too few": (
        {"model": lambda: with_logits(lambda y: y[:, 1:])},
        ValueError,
        r"model: .*num_classes = 4.*\[32, 3\]",
    ),
    "logits without a batch": (
        {"model": lambda: with_logits(lambda y: y[0])},
        ValueError,
        r"model: .*logits \[32, K\].*got shape \[4\] \(keep the axis of images.*squeeze",
    ),
    "logits with a third axis": (
        {"model": lambda: with_logits(lambda y: y[None])},
        ValueError,
        r"model: .*logits \[32, K\].*got shape \[1, 32, 4\] \(return one row per image",
    ),
    "a row of logits per pixel": (
        {"model": lambda: Odd(weights(), lambda y: jnp.tile(y[:, None, None], (1, 4, 5, 1)))},
        ValueError,
        r"model: .*logits \[32, 4\].*got shape \[32, 4, 5, 4\] \(return one row per image.*mean",
    ),
    "logits with the classes first": (
        {"model": lambda: Odd(weights(), lambda y: y.T)},
        ValueError,
        r"model: .*logits \[32, 4\].*got shape \[4, 32\] \(transpose",
    ),
    "one logit": (
        {"model": lambda: Odd(weights(), lambda y: y[:, :1])},
        ValueError,
        r"model: .*logits \[32, 4\].*got shape \[32, 1\] \(make two.*concatenate",
    ),
    "one logit without an axis": (
        {"model": lambda: with_logits(lambda y: y[:, 0])},
        ValueError,
        r"model: .*logits \[32, K\].*got shape \[32\] \(make two.*concatenate",
    ),
    "one class": (
        {"attack": lambda: jfool.SparseFooling(SHAPE, 1, max_k=3)},
        ValueError,
        r"num_classes: expected .* at least 2, got 1 \(make two.*concatenate",
    ),
    "two outputs": (
        {"model": lambda: Odd(weights(), lambda y: (y, y))},
        TypeError,
        r"model: .*logits \[32, 4\].*tuple of 2 \(take one.*jfool\.wrap\(.*\[0\]",
    ),
    "linen's mutable collections": (
        {"model": lambda: with_logits(lambda y: (y, {"batch_stats": {}}))},
        TypeError,
        r"model: .*logits \[32, K\].*tuple of 2 \(take one.*jfool\.wrap\(.*\[0\]",
    ),
    "a list of heads": (
        {"model": lambda: Odd(weights(), lambda y: [y, y, y])},
        TypeError,
        r"model: .*logits \[32, 4\].*list of 3 \(take one.*\[0\]",
    ),
    "named outputs": (
        {"model": lambda: with_logits(lambda y: {"loss": y.sum(), "logits": y})},
        TypeError,
        r"model: .*dict \['loss', 'logits'\] \(take one.*\['logits'\]",
    ),
    "an object with logits": (
        {"model": lambda: with_logits(lambda y: types.SimpleNamespace(logits=y))},
        TypeError,
        r"model: .*SimpleNamespace \(take the logits.*\.logits",
    ),
    "no output": (
        {"model": lambda: with_logits(lambda y: None)},
        TypeError,
        r"model: .*got None \(does the model return",
    ),
    "NumPy logits, whatever the images": (
        {"model": lambda: with_logits(lambda y: np.zeros(y.shape, np.float32))},
        TypeError,
        r"model: .*got a NumPy array.*jax\.numpy",
    ),
    "a model that computes with NumPy": (
        {"model": lambda: with_logits(lambda y: np.tanh(y))},
        TypeError,
        r"model: .*JAX can trace.*jax\.numpy.*pure_callback",
    ),
    "a model that branches on its images": (
        {"model": lambda: with_logits(lambda y: y if y.sum() > 0 else -y)},
        TypeError,
        r"model: .*JAX can trace.*TracerBoolConversionError",
    ),
    "wrapped truths": (
        {"model": lambda: with_logits(lambda y: y > 0)},
        TypeError,
        "model: .*floating point, got bool",
    ),
    "an outline": (
        {"model": lambda: Linear(jax.ShapeDtypeStruct((60, 4), jnp.float32))},
        TypeError,
        "model: expected weights, got shapes without values",
    ),
    "integer logits": (
        {"model": lambda: Odd(weights(), lambda y: y.astype(jnp.int32))},
        TypeError,
        "model: .*floating.*int32",
    ),
    "a model of other images": (
        {"model": lambda: Linear(weights(shape=(6, 6, 3)))},
        ValueError,
        r"model: .*take images \[32, 4, 5, 3\].*108",
    ),
}


@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD.keys())
def test_refuses(given, error, message):
    assert_refused(given, error, message)


@pytest.mark.parametrize("kind", ["norm", "dropout"])
def test_a_module_in_inference_mode_is_accepted(kind):
    net = Net(kind)
    net.eval()
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        check_model(net)


def test_dropout_that_drops_nothing_is_accepted_in_any_mode():
    net = Net("dropout")
    net.middle.rate = 0.0
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        check_model(net)
