"""Models that cannot be attacked are refused before any work is done."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jfool
from jfool.arguments import check_model
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
        r"model: .*num_classes = 4.*\(2, 3\)",
    ),
    "logits without a batch": (
        {"model": lambda: with_logits(lambda y: y[0])},
        ValueError,
        r"model: .*logits \[2, 4\].*\(4,\)",
    ),
    "logits with a third axis": (
        {"model": lambda: with_logits(lambda y: y[None])},
        ValueError,
        r"model: .*logits \[2, 4\].*\(1, 2, 4\)",
    ),
    "two outputs": (
        {"model": lambda: Odd(weights(), lambda y: (y, y))},
        ValueError,
        r"model: .*logits \[2, 4\].*tuple",
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
        r"model: .*take images \[2, 4, 5, 3\].*108",
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
        check_model(net, SHAPE, NUM_CLASSES)


def test_dropout_that_drops_nothing_is_accepted_in_any_mode():
    net = Net("dropout")
    net.middle.rate = 0.0
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        check_model(net, SHAPE, NUM_CLASSES)
