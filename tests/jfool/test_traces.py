"""One trace serves all numbers: the network is compiled once."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.result import AttackResult
from tests.jfool.helpers import (
    NUM_CLASSES,
    POPULATION,
    SHAPE,
    Linear,
    Tally,
    Traced,
    grey_jobs,
    rows,
    weights,
)

TALLY = Tally()


def run(
    *,
    seed=0,
    weights_seed=0,
    targets=(0, 1),
    base=0.5,
    k=2,
    scale=0.5,
    num_steps=3,
    threshold=0.9,
    until=None,
    job_ids=None,
    convert=np.asarray,
) -> AttackResult:
    search = jfool.DifferentialEvolution(POPULATION, scale)
    attack = jfool.SparseFooling(SHAPE, NUM_CLASSES, max_k=3, search=search)
    jobs = grey_jobs(targets, k)
    jobs = dataclasses.replace(jobs, base=np.full_like(jobs.base, base))
    return jfool.run(
        jax.random.key(seed),
        attack,
        Traced(Linear(jnp.asarray(weights(weights_seed))), TALLY),
        jax.tree.map(convert, jobs),
        num_steps=num_steps,
        until=until or jfool.confident(threshold),
        job_ids=job_ids,
    )


@pytest.fixture(scope="module")
def first() -> AttackResult:
    result = run()
    assert TALLY.traces > 0
    return result


CHANGES = {
    "another key": {"seed": 1},
    "other weights": {"weights_seed": 1},
    "other targets": {"targets": (3, 2)},
    "another color": {"base": 0.0},
    "fewer pixels": {"k": 1},
    "a numpy F": {"scale": np.float64(0.6)},
    "a jax F": {"scale": jnp.float32(0.7)},
    "more steps": {"num_steps": 7},
    "another threshold": {"threshold": 0.3},
    "other job ids": {"job_ids": np.array([5, 9])},
    "jobs as jax arrays": {"convert": jnp.asarray},
    "jobs in other precisions": {
        "convert": lambda x: np.asarray(x, np.float64 if x.dtype.kind == "f" else np.int16)
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_no_new_trace_for(change, first):
    before = TALLY.traces
    result = run(**change)
    assert TALLY.traces == before
    assert result.images.shape == first.images.shape


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"weights_seed": 1}, {"base": 0.0}, {"k": 1}, {"scale": 0.9}]
)
def test_the_numbers_do_reach_the_shared_program(change, first):
    assert (run(**change).images != first.images).any()


def test_a_whole_number_is_a_scaling_factor_like_any_other(first):
    assert (run(scale=1).images == run(scale=1.0).images).all()


def test_a_stopping_rule_of_the_users_own_is_traced_once(first):
    def certain(logits, label, targeted):
        return targeted & (jax.nn.softmax(logits)[label] > 0.9)

    run(until=certain)
    before = TALLY.traces
    again = run(until=certain, seed=1)
    assert TALLY.traces == before
    np.testing.assert_array_equal(again.num_steps, run(seed=1).num_steps)


def test_dithered_scaling_factors_share_a_trace_too():
    tally = Tally()
    for low, high in ((0.2, 0.9), (np.float64(0.5), jnp.float32(0.6))):
        attack = jfool.SparseFooling(
            SHAPE, 4, max_k=1, search=jfool.DifferentialEvolution(4, (low, high))
        )
        model = Traced(Linear(weights()), tally)
        jfool.run(jax.random.key(0), attack, model, rows(grey_jobs(k=1), [0]), num_steps=1)
        tally.traces, once = 0, tally.traces
        assert (once > 0) == (low == 0.2)
