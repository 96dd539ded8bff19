"""The one place where images meet the model: chunks, lanes, and what is counted."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    Tally,
    Traced,
    Watched,
    grey_jobs,
    photos,
    primitives,
    rows,
    sparse_fooling,
    weights,
)

LANES, POPULATION = 5, 4
IMAGES = np.stack([photos(POPULATION, seed=lane) for lane in range(LANES)])  # [L, P, H, W, C]
LIVE = np.array([False, True, False, True, True])


def logits_of(
    model, chunk: int | None, live: np.ndarray, images: np.ndarray = IMAGES
) -> np.ndarray:
    def lane(live, genotypes):
        return jfool.Evaluate(model, live, chunk=chunk)(jfool.Pixels(), None, genotypes)

    return np.asarray(jax.jit(jax.vmap(lane))(jnp.asarray(live), jnp.asarray(images)))


def expected(live: np.ndarray = LIVE) -> np.ndarray:
    logits = IMAGES.reshape(LANES, POPULATION, -1) @ weights()
    return np.where(live[:, None, None], logits, np.nan)


@pytest.mark.parametrize("chunk", [None, 1, 4, 7, 20, 1000])
def test_logits_do_not_depend_on_the_chunk_whether_or_not_it_divides(chunk):
    logits = logits_of(Linear(weights()), chunk, np.ones(LANES, bool))
    np.testing.assert_allclose(logits, expected(np.ones(LANES, bool)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [None, 3])
def test_lanes_that_are_not_live_are_nan_and_the_others_keep_their_place(chunk):
    logits = logits_of(Linear(weights()), chunk, LIVE)
    np.testing.assert_allclose(logits, expected(), rtol=1e-4, atol=1e-4)


def test_lanes_together_are_lanes_alone():
    encoding = jfool.SparsePixels(SHAPE, 3)
    jobs = jax.tree.map(jnp.asarray, grey_jobs(k=[1, 2, 3, 1]))
    u = jax.random.uniform(jax.random.key(0), (4, POPULATION, 3, 5))
    genotypes = jax.vmap(encoding.from_unit)(u)

    @jax.jit
    def lane(job, genotypes):
        return jfool.Evaluate(Linear(weights()), chunk=6)(encoding, job, genotypes)

    together = jax.vmap(lane)(jobs, genotypes)
    for i in range(4):
        alone = lane(rows(jobs, i), genotypes[i])
        np.testing.assert_allclose(together[i], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 3, 4, 7])
@pytest.mark.parametrize("live", [LIVE, np.zeros(LANES, bool), np.arange(LANES) == 4])
def test_no_more_images_reach_the_model_than_live_ones_rounded_up_to_the_batch(chunk, live):
    tally = Tally()
    logits_of(Watched(Linear(weights()), tally), chunk, live)
    wanted = int(live.sum()) * POPULATION
    batch = max(map(len, tally.wait()), default=1)
    assert batch <= chunk
    assert [len(images) for images in tally.wait()] == [batch] * math.ceil(wanted / batch)
    seen = {image.tobytes() for batch in tally.batches for image in batch}
    assert {image.tobytes() for image in IMAGES[live].reshape(-1, *SHAPE)} <= seen


def test_stacked_models_are_an_ensemble_each_with_its_own_lane():
    ensemble = Linear(jnp.stack([weights(seed) for seed in range(LANES)]))

    def lane(model, live, genotypes):
        return jfool.Evaluate(model, live, chunk=3)(jfool.Pixels(), None, genotypes)

    logits = jax.vmap(lane)(ensemble, jnp.asarray(LIVE), jnp.asarray(IMAGES))
    for i in range(LANES):
        alone = IMAGES[i].reshape(POPULATION, -1) @ weights(i)
        wanted = alone if LIVE[i] else np.full_like(alone, np.nan)
        np.testing.assert_allclose(logits[i], wanted, rtol=1e-4, atol=1e-4)


def test_the_logits_have_one_column_per_class():
    assert logits_of(Linear(weights()), None, LIVE).shape == (LANES, POPULATION, NUM_CLASSES)


def test_where_all_fits_one_call_there_is_no_queue():
    """No sort, no gather over lanes: they would undo the sharding of jobs over devices."""

    def lane(live, genotypes):
        return jfool.Evaluate(Linear(weights()), live)(jfool.Pixels(), None, genotypes)

    jaxpr = jax.make_jaxpr(jax.vmap(lane))(jnp.asarray(LIVE), jnp.asarray(IMAGES)).jaxpr
    names = set().union(*map(primitives, jaxpr.eqns))
    assert not names & {"sort", "gather", "while"}


@pytree
class Tinted:
    """The identity encoding, but for a color that is added."""

    color: Any

    def decode(self, job, genotype):
        del job
        return genotype + self.color


@pytree
class Scaled:
    """A targeted objective with a number of its own."""

    factor: Any

    @property
    def targeted(self):
        return True

    def __call__(self, logits, target):
        return self.factor * logits[..., target]


@pytest.mark.parametrize("chunk", [None, 7])
def test_parts_may_differ_between_lanes_and_the_calls_stay_together(chunk):
    colors = jnp.linspace(0, 0.4, LANES, dtype=jnp.float32)
    factors = jnp.linspace(1, 5, LANES, dtype=jnp.float32)
    jobs = grey_jobs(np.arange(LANES) % NUM_CLASSES)
    tally = Tally()
    model = Watched(Linear(jnp.asarray(weights())), tally)

    def lane(color, factor, job, live, genotypes):
        evaluate = jfool.Evaluate(model, live, chunk=chunk)
        return evaluate.fittest(Tinted(color), Scaled(factor), job, genotypes)

    fitness, logits = jax.jit(jax.vmap(lane))(
        colors, factors, jobs, jnp.asarray(LIVE), jnp.asarray(IMAGES)
    )
    images = IMAGES + np.asarray(colors)[:, None, None, None, None]
    by_hand = images.reshape(LANES, POPULATION, -1) @ weights()
    wanted = np.asarray(factors)[:, None] * by_hand[np.arange(LANES), :, jobs.target]
    np.testing.assert_allclose(fitness[LIVE], wanted[LIVE], rtol=1e-4, atol=1e-4)
    best = by_hand[np.arange(LANES), wanted.argmax(1)]
    np.testing.assert_allclose(logits[LIVE], best[LIVE], rtol=1e-4, atol=1e-4)
    shown = LANES * POPULATION if chunk is None else 2 * 7  # twelve live ones in calls of seven
    assert tally.num_images == shown


def test_rows_that_are_not_wanted_cost_nothing_in_a_queue():
    tally = Tally()
    model = Watched(Linear(jnp.asarray(weights())), tally)
    when = np.zeros((LANES, POPULATION), bool)
    when[1, 2] = when[3, 0] = when[3, 3] = True

    def lane(when, genotypes):
        evaluate = jfool.Evaluate(model, True, chunk=2)
        return evaluate(jfool.Pixels(), None, genotypes, when=when)

    logits = jax.jit(jax.vmap(lane))(jnp.asarray(when), jnp.asarray(IMAGES))
    assert tally.num_images == 4
    wanted = IMAGES.reshape(LANES, POPULATION, -1) @ weights()
    np.testing.assert_allclose(logits[when], wanted[when], rtol=1e-4, atol=1e-4)
    assert np.isnan(logits[~when]).all()


def test_lanes_of_lanes_share_their_calls():
    tally = Tally()
    model = Watched(Linear(jnp.asarray(weights())), tally)
    evaluate = jfool.Evaluate(model, chunk=10)
    images = jnp.asarray(IMAGES[:4]).reshape(2, 2, POPULATION, *SHAPE)
    lane = lambda genotypes: evaluate(jfool.Pixels(), None, genotypes)  # noqa: E731
    logits = jax.jit(jax.vmap(jax.vmap(lane)))(images)
    wanted = IMAGES[:4].reshape(2, 2, POPULATION, -1) @ weights()
    np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-4)
    assert [len(batch) for batch in tally.wait()] == [8, 8]


def test_genotypes_of_integers_have_no_gradient():
    class Levels:
        def decode(self, job, genotype):
            del job
            return genotype["image"] + genotype["level"].astype(jnp.float32)

    levels = jax.tree_util.register_static(Levels)()
    genotypes = {"image": jnp.asarray(IMAGES[0]), "level": jnp.zeros(POPULATION, jnp.int32)}
    job = jax.tree.map(lambda leaf: leaf[0], grey_jobs())
    score = jfool.objectives.OfLogits(jfool.Logit())
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))
    _, gradient, _ = evaluate.gradient(levels, score, job, genotypes)
    assert gradient["level"].dtype == jnp.int32
    assert not gradient["level"].any()
    wanted = np.broadcast_to(weights()[:, 0], (POPULATION, weights().shape[0]))
    np.testing.assert_allclose(gradient["image"].reshape(POPULATION, -1), wanted, rtol=1e-5)


def test_by_hand_and_without_jit_only_the_first_step_compiles():
    tally = Tally()
    attack, job = sparse_fooling(), jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], grey_jobs())
    model = Traced(Linear(jnp.asarray(weights())), tally)
    state = attack.init(jax.random.key(0), job)
    traces = []
    for t in range(3):
        state, _ = attack.step(jax.random.key(t), jfool.Evaluate(model), job, state)
        traces.append(tally.traces)
    assert traces[0] == traces[2]
