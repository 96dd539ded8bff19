"""Partials of optimizers, stopping rules and models: their floats need no new compilation."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

import jfool
from jfool.base import pytree, static
from jfool.sweeps.fingerprint import digest
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, Tally, Traced, photos, softmax, weights

WEIGHTS = weights(3) * np.float32(0.1)  # so that no class is sure from the start
JOBS = jfool.AscentJob(np.array([1]), photos(1, seed=2))
NUM_STEPS = 4


def run(optimizer: Any, step_size: float = 0.01, tally: Tally | None = None) -> Any:
    """The image after a few steps. Its confidence rises, so it is the last one."""
    attack = jfool.GradientFooling(
        SHAPE,
        NUM_CLASSES,
        ascent=jfool.GradientAscent(step_size, optimizer),
        start=jfool.NearBase(0.0),
    )
    model = Traced(Linear(jnp.asarray(WEIGHTS)), tally or Tally())
    result = jfool.run(jax.random.key(0), attack, model, JOBS, num_steps=NUM_STEPS)
    return np.asarray(result.images)


def by_hand(momentum: float, step_size: float, nesterov: bool = False) -> Any:
    """Heavy-ball or Nesterov momentum on the confidence in class 1, in the form of optax."""
    image, trace = JOBS.base[0].astype(np.float64), 0.0
    for _ in range(NUM_STEPS):
        p = softmax((image.reshape(1, -1) @ WEIGHTS).astype(np.float64))[0]
        slope = (p[1] * (WEIGHTS[:, 1] - WEIGHTS @ p)).reshape(SHAPE)
        trace = slope + momentum * trace
        image = np.clip(image + step_size * (slope + momentum * trace if nesterov else trace), 0, 1)
    return image[None]


FORMS = {
    "sgd": lambda number: functools.partial(optax.sgd, momentum=number, nesterov=True),
    "a partial of JAX": lambda number: Partial(optax.sgd, momentum=number),
    "a partial of a partial": lambda number: functools.partial(
        functools.partial(optax.sgd, nesterov=False), momentum=number
    ),
    "adam": lambda number: functools.partial(optax.adam, b1=number, eps_root=np.float64(number)),
    "confidence steps": lambda number: functools.partial(jfool.confidence_steps, late=number),
    "an array": lambda number: functools.partial(optax.sgd, momentum=jnp.float32(number)),
    "before the step size": lambda number: functools.partial(with_momentum, number),
}


def with_momentum(momentum, step_size):
    return optax.sgd(step_size, momentum)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_fresh_partial_with_other_numbers_needs_no_new_trace(form):
    tally = Tally()
    one = run(form(0.9), 0.1, tally)
    before = tally.traces
    assert before > 0
    assert (run(form(0.5), 0.2, tally) != one).any()
    assert tally.traces == before


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_numbers_and_the_truths_reach_the_steps(nesterov):
    found = run(functools.partial(optax.sgd, momentum=0.7, nesterov=nesterov), 0.3)
    np.testing.assert_allclose(found, by_hand(0.7, 0.3, nesterov), atol=1e-5)


@pytest.mark.parametrize("name", ["a partial of JAX", "a partial of a partial", "an array"])
def test_all_forms_of_partial_are_one(name):
    np.testing.assert_allclose(run(FORMS[name](0.6), 0.3), by_hand(0.6, 0.3), atol=1e-5)


def test_a_later_partial_takes_precedence_and_adds_arguments_behind():
    inner = functools.partial(with_momentum, 0.6)
    assert_reads(functools.partial(inner), (0.6,))
    assert_reads(
        functools.partial(functools.partial(optax.sgd, momentum=0.1), momentum=0.6), (0.6,)
    )
    assert_reads(functools.partial(Partial(lambda *_: None, 0.1), 0.2), (0.1, 0.2))


def assert_reads(optimizer: Any, numbers: tuple[float, ...]) -> None:
    assert jfool.GradientAscent(0.5, optimizer).optimizer.numbers == numbers


def test_floats_are_leaves_and_all_else_is_static():
    schedule = optax.constant_schedule(0.3)
    optimizer = functools.partial(
        optax.adamw, b1=0.9, mask={"a": True}, nesterov=True, mu_dtype=None, weight_decay=schedule
    )
    ascent = jfool.GradientAscent(0.5, optimizer)
    assert jax.tree.leaves(ascent) == [0.5, 0.9]
    whole = jfool.GradientAscent(0.5, functools.partial(optax.lbfgs, memory_size=3))
    assert jax.tree.leaves(whole) == [0.5]
    assert jax.tree.leaves(jfool.GradientAscent(0.5, optax.adam)) == [0.5]
    for each in (ascent, whole):
        assert jax.tree.unflatten(jax.tree.structure(each), jax.tree.leaves(each)) == each
        hash(jax.tree.structure(each))


def test_it_reads_as_the_user_wrote_it():
    assert repr(jfool.GradientAscent(0.5, optax.adam)).count("<function adam") == 1
    ascent = jfool.GradientAscent(0.5, functools.partial(optax.sgd, momentum=0.9, nesterov=True))
    assert "momentum=0.9, nesterov=True)" in repr(ascent)


def test_a_sweep_tells_numbers_and_truths_apart():
    forms = [
        functools.partial(optax.sgd, momentum=momentum, nesterov=nesterov)
        for momentum in (0.5, 0.9)
        for nesterov in (False, True)
    ]
    forms += [optax.sgd, functools.partial(optax.sgd, momentum=0.5)]
    assert len({digest(jfool.GradientAscent(0.1, form)) for form in forms}) == len(forms)
    fresh = functools.partial(optax.sgd, momentum=0.5, nesterov=False)
    assert digest(jfool.GradientAscent(0.1, fresh)) == digest(jfool.GradientAscent(0.1, forms[0]))


def for_large_steps_only(step_size, least=0.1):
    return optax.sgd(step_size) if least > 0.05 else optax.adam(step_size)


def test_a_float_on_which_an_optimizer_branches_is_refused():
    with pytest.raises(TypeError, match=r"ascent\.optimizer: expected .* traced, got .*for_large"):
        run(functools.partial(for_large_steps_only, least=0.1))
    np.testing.assert_allclose(run(for_large_steps_only, 0.3), by_hand(0.0, 0.3), atol=1e-5)


def test_a_share_that_cannot_work_is_refused_in_a_partial_too():
    with pytest.raises(ValueError, match=r"late: expected a positive number, got -1.0"):
        run(functools.partial(jfool.confidence_steps, late=-1.0))


def by_a_margin(logits, reference, targeted, least):
    top = jax.lax.top_k(logits, 2)[0]
    return jfool.criteria.fooled(logits, reference, targeted) & (top[0] - top[1] > least)


def scaled(variables, inputs, scale, flat):
    assert flat
    return scale * inputs.reshape(len(inputs), -1) @ variables["weights"].seen(inputs)


@pytree
class SeenWeights:
    """Weights that note when a program that reads them is traced."""

    values: Any
    tally: Tally = static()

    def seen(self, inputs: Any) -> Any:
        self.tally.traces += isinstance(inputs, jax.core.Tracer)
        return self.values


def test_fresh_partials_of_a_rule_and_of_a_network_need_no_new_trace():
    tally = Tally()
    weights = {"weights": SeenWeights(jnp.asarray(WEIGHTS), tally)}

    def confidence(least: float, scale: float) -> float:
        model = jfool.wrap(functools.partial(scaled, scale=scale, flat=True), weights)
        until = functools.partial(by_a_margin, least=least)
        attack = jfool.GradientFooling(SHAPE, NUM_CLASSES)
        options = {"num_steps": 100, "until": until}
        return float(jfool.run(jax.random.key(0), attack, model, JOBS, **options).confidence[0])

    low = confidence(0.1, 1.0)
    before = tally.traces
    assert before > 0
    assert confidence(2.0, 1.0) > low + 0.1
    assert confidence(0.1, 0.1) != low
    assert tally.traces == before
