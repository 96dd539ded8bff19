"""Counts against a model that counts what it sees, through every control flow."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

import jfool
from jfool.base import Evaluator, pytree
from tests.jfool.helpers import SHAPE, Linear, Tally, Watched, photos, weights

IMAGES = jnp.asarray(photos(3))
SCORE = jfool.objectives.OfLogits(jfool.LogConfidence())
JOB = jfool.SparseJob(target=jnp.int32(1), base=jnp.zeros(3, jnp.float32), k=jnp.int32(1))


def show(evaluate: Evaluator, count: int = 3) -> Array:
    return evaluate(jfool.Pixels(), None, IMAGES[:count])


def in_two_calls(evaluate):
    return show(evaluate, 2), show(evaluate, 3)


def in_jit(evaluate):
    return jax.jit(show)(evaluate)  # the handle itself passes through


def in_scan(evaluate):
    return lax.scan(lambda now, _: (now + 1, show(evaluate)), 0, None, length=4)


def in_a_scan_of_the_handle(evaluate):
    def body(evaluate, total, count):
        return total + count, show(evaluate, 2)

    return evaluate.scan(body, jnp.int32(0), jnp.arange(5))


def in_while(evaluate):
    return lax.while_loop(lambda n: n < 3, lambda n: n + show(evaluate).shape[0] // 3, 0)


def in_a_branch(evaluate, taken=True):
    def one():
        return show(evaluate, 1).sum()

    return lax.cond(jnp.asarray(taken), lambda: show(evaluate).sum(), one)


def in_the_other_branch(evaluate):
    return in_a_branch(evaluate, taken=False)


def in_checkpoint(evaluate):
    return jax.checkpoint(lambda x: x * show(evaluate).sum())(2.0)


def in_vmap(evaluate):
    return jax.vmap(lambda image: evaluate(jfool.Pixels(), None, image[None]))(IMAGES)


def in_vmap_of_vmap(evaluate):
    pairs = jnp.stack([IMAGES, IMAGES])
    return jax.vmap(jax.vmap(lambda image: evaluate(jfool.Pixels(), None, image[None])))(pairs)


def where_it_is_wanted(evaluate):
    return evaluate(jfool.Pixels(), None, IMAGES, when=jnp.array([False, True, False]))


def in_a_scan_of_jit_of_vmap(evaluate):
    step = jax.jit(jax.vmap(lambda image: evaluate(jfool.Pixels(), None, image[None])))
    return lax.scan(lambda now, _: (now, step(IMAGES)), 0, None, length=2)


def in_nothing(evaluate):
    return evaluate


FLOWS = {
    in_two_calls: 5,
    in_jit: 3,
    in_scan: 12,
    in_a_scan_of_the_handle: 10,
    in_while: 9,
    in_a_branch: 3,
    in_the_other_branch: 1,
    in_checkpoint: 3,
    in_vmap: 3,
    in_vmap_of_vmap: 6,
    in_a_scan_of_jit_of_vmap: 6,
    in_nothing: 0,
}


@pytest.mark.parametrize("jit", [jax.jit, lambda f: f], ids=["jit", "by hand"])
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_the_count_is_what_the_model_saw(flow, jit):
    tally = Tally()
    evaluate = jfool.Evaluate(Watched(Linear(jnp.asarray(weights())), tally))
    shown = jit(lambda: jfool.counted(lambda: jax.tree.leaves(flow(evaluate)))()[1])()
    assert int(shown.queries) == FLOWS[flow]
    assert int(shown.gradients) == 0
    assert tally.num_images == FLOWS[flow]


def test_without_jit_the_count_is_the_same():
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))
    with jax.disable_jit():
        assert int(jfool.counted(lambda: in_scan(evaluate))()[1].queries) == 12


def test_only_what_is_wanted_is_counted_and_a_queue_shows_no_more():
    tally = Tally()
    evaluate = jfool.Evaluate(Watched(Linear(jnp.asarray(weights())), tally), chunk=1)
    logits, shown = jax.jit(jfool.counted(lambda: where_it_is_wanted(evaluate)))()
    assert int(shown.queries) == 1
    assert tally.num_images == 1
    np.testing.assert_array_equal(np.isnan(logits).all(1), [True, False, True])
    np.testing.assert_allclose(logits[1], show(evaluate)[1], rtol=1e-5)


def test_results_are_those_of_the_function_itself():
    def function(evaluate, x, *, scale):
        return {"logits": scale * show(evaluate), "rest": (x, None)}

    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))
    found, shown = jfool.counted(function)(evaluate, jnp.arange(2), scale=2.0)
    np.testing.assert_allclose(found["logits"], 2 * show(evaluate), rtol=1e-6)
    assert found["rest"][1] is None
    assert int(shown.queries) == 3


def test_a_gradient_of_several_functionals_counts_as_several():
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))

    def rows(logits, job):
        del job
        return jnp.stack([logits, 2 * logits])

    def pull():
        return evaluate.pullback(jfool.Pixels(), jax.tree_util.Partial(rows), None, IMAGES)

    (logits, gradients), shown = jfool.counted(pull)()
    assert (int(shown.queries), int(shown.gradients)) == (0, 6)
    matrix = weights().reshape(*SHAPE, -1)
    wanted = np.einsum("bk,hwck->bhwc", logits, matrix)
    np.testing.assert_allclose(gradients[:, 0], wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gradients[:, 1], 2 * wanted, rtol=1e-4, atol=1e-4)


@dataclasses.dataclass(frozen=True)
class Flowing:
    """An attack whose step evaluates inside a control flow that depends on the job."""

    flow: Callable[[Evaluator, Array], Array]
    image_shape: tuple[int, int, int] = SHAPE
    num_classes: int = 4
    targeted: bool = True
    images_at_once: int = 3

    def check(self, jobs: Any) -> None:
        del jobs

    def init(self, key: Array, job: Any) -> Array:
        del key, job
        return jnp.zeros((), jnp.int32)

    def step(self, key: Array, evaluate: Evaluator, job: Any, state: Array) -> tuple[Array, Any]:
        del key
        self.flow(evaluate, state)
        return state + 1, None

    def best(self, job: Any, state: Array) -> jfool.Candidate:
        del job, state
        nan = jnp.full(4, jnp.nan, jnp.float32)
        return jfool.Candidate(IMAGES[0], nan, nan[0], IMAGES[0])


jax.tree_util.register_static(Flowing)


def every_other_step(evaluate, step):
    return lax.cond(step % 2 == 0, lambda: show(evaluate).sum(), lambda: jnp.float32(0))


def as_often_as_steps(evaluate, step):
    return lax.fori_loop(0, step, lambda _, total: total + show(evaluate, 2).sum(), 0.0)


@pytest.mark.parametrize(("flow", "wanted"), [(every_other_step, 9), (as_often_as_steps, 20)])
def test_run_and_sweep_count_inside_the_control_flow_of_a_step(flow, wanted):
    jobs = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), JOB)
    model = Linear(jnp.asarray(weights()))
    with jax.debug_key_reuse(False):
        result = jfool.run(jax.random.key(0), Flowing(flow), model, jobs, num_steps=4)
    np.testing.assert_array_equal(result.num_queries, [wanted, wanted])


def test_what_was_counted_inside_counts_outside_too():
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))

    def inner():
        return jfool.counted(lambda: show(evaluate))()[0]

    assert int(jfool.counted(inner)()[1].queries) == 3


def test_a_vmapped_loop_with_a_condition_of_each_lane_ends_each_where_it_would():
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))

    def lane(steps):
        def body(now):
            return now[0] + 1, now[1] + show(evaluate, 1).sum()

        return lax.while_loop(lambda now: now[0] < steps, body, (0, 0.0))

    limits = jnp.array([1, 3, 2])
    (taken, total), shown = jfool.counted(lambda: jax.vmap(lane)(limits))()
    np.testing.assert_array_equal(taken, limits)
    np.testing.assert_allclose(
        total, np.asarray(show(evaluate, 1).sum()) * np.asarray(limits), rtol=1e-5
    )
    assert int(shown.queries) == 3  # the image is the same in all lanes, and shown once a turn


@pytree
class Several:
    """A model with an attribute that means something to it alone."""

    weights: Any

    num_samples = 8

    def __call__(self, images):
        return images.reshape(len(images), -1) @ self.weights


def test_only_models_that_draw_count_several_times():
    evaluate = jfool.Evaluate(Several(jnp.asarray(weights())))
    assert int(jfool.counted(lambda: show(evaluate))()[1].queries) == 3


def test_a_model_shown_in_the_condition_of_a_loop_is_refused():
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))

    def loop():
        return lax.while_loop(lambda n: n + show(evaluate).sum() < 0, lambda n: n + 1, 0.0)

    with pytest.raises(NotImplementedError, match="evaluate: expected to be called in the body"):
        jfool.counted(loop)()
