"""Gradients that are exactly zero are counted, and jobs that fail for this are told of."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.stuck import stuck
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, photos, weights

NUM_STEPS = 5
MATRIX = weights()
LOGITS = np.sort(photos(20).reshape(20, -1) @ MATRIX)
IMAGES = photos(20)[np.argsort(LOGITS[:, -2] - LOGITS[:, -1])[:4]]  # far from any boundary
LABELS = (IMAGES.reshape(4, -1) @ MATRIX).argmax(1)
KEY = jax.random.key(0)


@jfool.base.pytree
class Changed:
    """Logits of a linear model of changed images, changed."""

    weights: Any
    images: Callable[[jax.Array], jax.Array] = jfool.base.static()
    logits: Callable[[jax.Array], jax.Array] = jfool.base.static()

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.logits(self.images(images).reshape(len(images), -1) @ self.weights)


def same(x: jax.Array) -> jax.Array:
    return x


def scaled(x: jax.Array) -> jax.Array:
    return 1024 * x  # exact, so that the softmax is exactly 1


def times_1000(x: jax.Array) -> jax.Array:
    return 1000 * x  # rounded, and in a fused program perhaps not


def constant(x: jax.Array) -> jax.Array:
    return jax.lax.stop_gradient(x)


passed = jfool.straight_through(lambda x: jnp.round(8 * x) / 8, lambda x: x)
MARGIN = jfool.Untargeted(jfool.Margin())
CROSS_ENTROPY = jfool.Untargeted(jfool.LogConfidence())

# what is done to images and logits, what is maximized, and whether no gradient comes through
VICTIMS: dict[str, tuple[Any, Any, Any, bool]] = {
    "a linear model": (same, same, CROSS_ENTROPY, False),
    "saturated logits": (same, scaled, CROSS_ENTROPY, True),
    "logits times 1000": (same, times_1000, CROSS_ENTROPY, True),
    "saturated logits, by their margin": (same, scaled, MARGIN, False),
    "rounded images": (lambda x: jnp.round(8 * x) / 8, same, CROSS_ENTROPY, True),
    "rounded images, straight through": (passed, same, CROSS_ENTROPY, False),
    "a cut graph": (same, constant, MARGIN, True),
    "hidden units that are dead": (lambda x: jax.nn.relu(x - 1), same, MARGIN, True),
}


def jobs() -> jfool.PerturbationJob:
    return jfool.PerturbationJob(IMAGES, np.full(4, 1e-6, np.float32), LABELS)


def attack_of(objective: Any) -> Any:
    return jfool.BIM(SHAPE, NUM_CLASSES, step_size=1e-7, objective=objective)


@pytest.mark.parametrize(("images", "logits", "objective", "zero"), VICTIMS.values(), ids=VICTIMS)
@pytest.mark.usefixtures("full_compiler")
def test_zero_gradients_are_counted_and_told_of(images, logits, objective, zero):
    model = Changed(jnp.asarray(MATRIX), images, logits)
    labels = np.asarray(model(jnp.asarray(IMAGES)).argmax(1))
    given = jfool.PerturbationJob(IMAGES, np.full(4, 1e-6, np.float32), labels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = jfool.run(KEY, attack_of(objective), model, given, num_steps=NUM_STEPS)
    np.testing.assert_array_equal(result.num_gradients, NUM_STEPS + 1)
    np.testing.assert_array_equal(result.num_zero_gradients, (NUM_STEPS + 1) * zero)
    told = [str(each.message) for each in caught if "num_zero_gradients" in str(each.message)]
    assert len(told) == zero
    for message in told:
        assert "4 of 4 jobs" in message
        assert "jfool.Margin()" in message
        assert len(message) <= 300


def test_a_sweep_counts_and_tells_the_same():
    model = Changed(jnp.asarray(MATRIX), same, scaled)
    with pytest.warns(UserWarning, match="num_zero_gradients: .* 4 of 4 jobs"):
        found = jfool.sweep(KEY, attack_of(CROSS_ENTROPY), model, jobs(), num_steps=2, lanes=3)
    np.testing.assert_array_equal(found.column("num_zero_gradients"), 3)


@pytest.mark.parametrize(("num_cut", "counted"), [(2, 0), (4, 3)])
def test_several_functionals_count_where_all_are_zero(num_cut, counted):
    """Logits are cut off in one of two images that are wanted; there are three functionals."""

    def model(images):
        z = images.reshape(len(images), -1) @ jnp.asarray(MATRIX)
        first = jnp.where(images.reshape(len(images), -1)[:, :1] > 0.5, z, jax.lax.stop_gradient(z))
        return jnp.concatenate([first[:, :num_cut], z[:, num_cut:]], -1)

    def rows(logits, job):
        del job
        return jnp.eye(logits.shape[-1], dtype=jnp.float32)[:3]

    def pull():
        evaluate, images = jfool.Evaluate(jax.tree_util.Partial(model)), jnp.asarray(IMAGES[:3])
        images = images.at[:, 0, 0, 0].set(jnp.asarray([0.0, 1.0, 0.0]))
        wanted = jnp.asarray([True, True, False])
        directions = jax.tree_util.Partial(rows)
        return evaluate.pullback(jfool.Pixels(), directions, None, images, when=wanted)

    _, shown = jfool.counted(pull)()
    assert (int(shown.gradients), int(shown.zero_gradients)) == (6, counted)


# prediction, class, whether it is to be reached, gradients, zero ones: stuck or not
CASES = {
    "at the label without a gradient": (1, 1, False, 10, 10, True),
    "at the label, half without": (1, 1, False, 10, 5, True),
    "at the label, few without": (1, 1, False, 10, 4, False),
    "beyond the label": (2, 1, False, 10, 10, False),
    "away from the target": (2, 1, True, 10, 10, True),
    "at the target": (1, 1, True, 10, 10, False),
    "no gradient was asked for": (1, 1, False, 0, 0, False),
    "NaN, untargeted": (-1, 1, False, 10, 0, False),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_stuck_is_who_fails_without_gradients(case):
    prediction, classes, targeted, num, zero, expected = case
    found = stuck(np.array([prediction]), np.array([classes]), targeted, [num], [zero])
    assert found.tolist() == [expected]


def test_an_archive_is_stuck_if_a_cell_is():
    predictions = np.array([[1, 2], [1, 1]])
    assert stuck(predictions, [[1, 2], [1, 2]], True, [4, 4], [4, 4]).tolist() == [False, True]


def test_inside_a_jit_of_the_user_nothing_is_told():
    model = Changed(jnp.asarray(MATRIX), same, constant)

    def run(key):
        result = jfool.run(key, attack_of(CROSS_ENTROPY), model, jobs(), num_steps=1)
        return result.num_zero_gradients

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jax.jit(run)(KEY).tolist() == [2] * 4


def test_an_attack_without_gradients_has_none_that_are_zero():
    images = jfool.SparseJob(label=LABELS, base=IMAGES, k=np.ones(4, int))
    search = jfool.DifferentialEvolution(4)
    attack = jfool.OnePixel(SHAPE, NUM_CLASSES, max_k=1, search=search, objective=MARGIN)
    result = jfool.run(KEY, attack, Linear(jnp.asarray(MATRIX)), images, num_steps=1)
    np.testing.assert_array_equal(result.num_zero_gradients, 0)
