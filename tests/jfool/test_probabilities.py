"""A model that returns probabilities is attacked all the same, with one warning that says so."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.model_checks import are_probabilities
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    Tally,
    Traced,
    grey_jobs,
    photos,
    run_badly,
    sparse_fooling,
    weights,
)


def model_of(change: Callable[[jax.Array], Any]) -> Any:
    return jfool.wrap(lambda w, x: change(x.reshape(len(x), -1) @ w), weights())


def in_bfloat16(logits: jax.Array) -> jax.Array:
    return jax.nn.softmax(logits.astype(jnp.bfloat16))


def two_of_sigmoid(logits: jax.Array) -> jax.Array:
    p = jax.nn.sigmoid(logits[:, :1] / 10)
    return jnp.concatenate([1 - p, p], -1)


def normalized(logits: jax.Array) -> jax.Array:
    return logits / logits.sum(-1, keepdims=True)


# what comes out of a model, and whether it is a probability for each class
OUTPUTS: dict[str, tuple[Callable[[jax.Array], Any], bool]] = {
    "softmax": (jax.nn.softmax, True),
    "softmax in bfloat16": (in_bfloat16, True),
    "one-hot rows": (lambda z: jax.nn.one_hot(z.argmax(-1), 4, dtype=jnp.float32), True),
    "a softmax that is saturated": (lambda z: jax.nn.softmax(1000 * z), True),
    "two classes of a sigmoid": (two_of_sigmoid, True),
    "two equal classes": (lambda z: jnp.full((len(z), 2), 0.5, jnp.float32), True),
    "logits": (lambda z: z, False),
    "log-probabilities": (jax.nn.log_softmax, False),
    "log of one-hot rows": (lambda z: jnp.log(jax.nn.one_hot(z.argmax(-1), 4)), False),
    "zeros": (jnp.zeros_like, False),
    "ones": (jnp.ones_like, False),
    "sigmoids": (jax.nn.sigmoid, False),
    "rows that sum to 1, some negative": (normalized, False),
    "NaN": (lambda z: z * jnp.nan, False),
    "one row of two": (lambda z: z.at[0].set(jax.nn.softmax(z[0])), False),
    "images of one size only": (lambda z: jax.nn.softmax(z) if len(z) > 2 else 1 / 0, False),
}


@pytest.mark.parametrize(("change", "expected"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_probabilities_are_told_from_logits(change, expected):
    num_classes = jax.eval_shape(change, jax.ShapeDtypeStruct((3, 4), jnp.float32)).shape[1]
    assert are_probabilities(model_of(change), SHAPE, num_classes) == expected


def test_the_remedy_gives_the_same_confidences_as_the_values_before_the_softmax():
    images = jnp.asarray(photos(5))
    logits = model_of(lambda z: z)(images)
    remedied = model_of(lambda z: jnp.log(jax.nn.softmax(z) + 1e-30))
    np.testing.assert_allclose(
        jax.nn.softmax(remedied(images)), jax.nn.softmax(logits), rtol=1e-4, atol=1e-6
    )
    assert not are_probabilities(remedied, SHAPE, NUM_CLASSES)


def sweep_badly(model: Any) -> None:
    jfool.sweep(jax.random.key(0), sparse_fooling(), model, grey_jobs(), num_steps=1)


@pytest.mark.parametrize("attack", [run_badly, sweep_badly])
def test_run_and_sweep_warn_once(attack):
    with pytest.warns(UserWarning, match=r"^model: .*jnp\.log\(p") as caught:
        attack(model_of(jax.nn.softmax))
    assert len(caught) == 1
    assert len(str(caught[0].message)) <= 300


def test_two_images_are_looked_at_without_a_new_trace_for_other_weights():
    tally = Tally()
    run_badly(Traced(Linear(jnp.asarray(weights(0))), tally))
    traces = tally.traces
    run_badly(Traced(Linear(jnp.asarray(weights(1))), tally))
    assert tally.traces == traces > 0


def test_inside_a_jit_of_the_user_no_image_is_shown_before():
    model = model_of(jax.nn.softmax)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = jax.make_jaxpr(lambda key: run_badly(model, key=key).success)(jax.random.key(0))
    assert traced.out_avals[0].shape == (4,)


def test_the_mean_over_draws_is_of_logits_and_warns_where_the_model_does():
    def drawn(change):
        return jfool.Averaged(model_of(change), lambda key, image: image, 3)

    assert are_probabilities(drawn(jax.nn.softmax), SHAPE, NUM_CLASSES)
    assert not are_probabilities(drawn(lambda z: z), SHAPE, NUM_CLASSES)


def test_a_function_outside_of_jax_may_take_batches_of_one_size_alone():
    """What it returns for two images of noise is not known, and no fault."""
    matrix = np.asarray(weights())

    def on_host(images: Any) -> np.ndarray:
        if len(images) != 4:
            raise ValueError("expected four images")
        return np.asarray(images).reshape(4, -1) @ matrix

    def apply(_: Any, images: jax.Array) -> jax.Array:
        form = jax.ShapeDtypeStruct((len(images), NUM_CLASSES), jnp.float32)
        return jax.pure_callback(on_host, form, images)

    assert not are_probabilities(jfool.wrap(apply, jnp.zeros(())), SHAPE, NUM_CLASSES)
