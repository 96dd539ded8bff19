"""Greedy re-placement of pixels: it finds known optima, one row at a time, and loses nothing."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from jfool.search import GreedySearch
from jfool.search.greedy_search import GreedyState
from jfool.search.pixel_moves import MOVES, borrow, flip, jump, near, shade
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, Poisonable, assert_same, task, weights

ENCODING = jfool.SparsePixels(SHAPE, 3)
SIZE = jnp.array([SHAPE[1], SHAPE[0]], jnp.float32)
SEARCH = GreedySearch(num_proposals=32, beam=3)


def score(genotypes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How close a sum of the genes with different weights comes to 50, and three logits."""
    genes = genotypes[0].size
    sums = (genotypes.reshape(-1, genes) * jnp.sqrt(jnp.arange(2.0, genes + 2))[None]).sum(1)
    fitness = -jnp.abs(sums - 50)
    return fitness, jnp.full(3, fitness.max())


@functools.partial(jax.jit, static_argnames="score")
def stepped(search: GreedySearch, key: jax.Array, state: GreedyState, score) -> GreedyState:
    return search.step(key, task(ENCODING, 3, score), state)[0]


@jax.jit
def started(search: GreedySearch) -> GreedyState:
    return search.init(jax.random.key(1), task(ENCODING, 3))


def walk(search: GreedySearch, steps: int, score=score) -> list[GreedyState]:
    states = [started(search)]
    for t in range(steps):
        key = jax.random.fold_in(jax.random.key(2), t)
        states.append(stepped(search, key, states[-1], score))
    return states


def rows_of_moves() -> tuple[jax.Array, jax.Array]:
    rows = np.random.default_rng(0).uniform(size=(400, 5)).astype(np.float32)
    rows[:, :2] = np.floor(rows[:, :2] * np.asarray(SIZE))
    return jnp.asarray(rows), jnp.asarray(rows[::-1].copy())


def test_it_finds_the_optimum_of_theorem_1_on_every_base():
    """Of two linear classes the margin gains, at a pixel, what its best color gains there."""
    delta = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    model = Linear(jnp.asarray(np.stack([delta.ravel(), np.zeros(delta.size)], 1), jnp.float32))
    bases = np.array([[0, 0, 0], [0.3, 0.6, 0.5], [1, 1, 1]], np.float32)
    k = np.array([1, 3, 2])
    jobs = jfool.SparseJob(target=np.zeros(3, int), base=bases, k=k)
    attack = jfool.GreedyFooling(SHAPE, 2, max_k=3, search=SEARCH, objective=jfool.Margin())
    result = jfool.run(jax.random.key(0), attack, model, jobs, num_steps=150, history=True)
    for i, base in enumerate(bases):
        gains = np.maximum(delta * (1 - base), -delta * base).sum(-1).ravel()
        best = (delta * base).sum() + np.sort(gains)[::-1][: k[i]].sum()
        np.testing.assert_allclose(np.nanmax(result.history.fitness[i]), best, rtol=1e-4)


@pytree
class Hidden:
    """Two classes after a layer of rectifiers, so that pixels do not add up."""

    inner: jax.Array
    outer: jax.Array

    def __call__(self, images):
        return jnp.maximum(images.reshape(len(images), -1) @ self.inner, 0) @ self.outer


def test_it_is_as_good_as_every_placement_of_two_pixels_in_corner_colors():
    shape = (3, 4, 1)
    random = np.random.default_rng(5)
    inner, outer = random.normal(size=(12, 8)), random.normal(size=(8, 2))
    images = []
    for pixels in itertools.combinations(range(12), 2):
        for values in itertools.product((0, 1), repeat=2):
            image = np.full(12, 0.5)
            image[list(pixels)] = values
            images.append(image)
    logits = np.maximum(np.stack(images) @ inner, 0) @ outer
    best = (logits[:, 1] - logits[:, 0]).max()
    model = Hidden(jnp.asarray(inner, jnp.float32), jnp.asarray(outer, jnp.float32))
    jobs = jfool.SparseJob(
        target=np.array([1]), base=np.full((1, 1), 0.5, np.float32), k=np.array([2])
    )
    attack = jfool.GreedyFooling(shape, 2, max_k=2, search=SEARCH, objective=jfool.Margin())
    result = jfool.run(jax.random.key(0), attack, model, jobs, num_steps=100, history=True)
    assert np.nanmax(result.history.fitness) >= best - 1e-4


def test_the_first_step_evaluates_what_init_drew_and_keeps_the_best_of_it():
    start, first = walk(SEARCH, 1)
    fitness = np.asarray(score(start.proposals)[0])
    order = np.argsort(-fitness, kind="stable")
    np.testing.assert_array_equal(first.fitness[:3], fitness[order[:3]])
    np.testing.assert_array_equal(first.population[:3], start.proposals[order[:3]])
    np.testing.assert_array_equal(first.population[3], start.proposals[order[0]])
    assert np.isneginf(start.fitness).all()
    assert np.isnan(start.logits).all()


def test_the_beam_is_the_best_distinct_ones_of_beam_and_proposals():
    states = walk(SEARCH, 20)
    for before, after in itertools.pairwise(states):
        proposed = np.asarray(score(before.proposals)[0])
        distinct = np.unique(np.concatenate([before.fitness[:3], proposed]))[::-1]
        np.testing.assert_array_equal(after.fitness[:3], distinct[:3])
        np.testing.assert_array_equal(score(after.population)[0], after.fitness)


def test_every_proposal_differs_from_an_image_of_the_beam_in_one_row():
    for state in walk(SEARCH, 6)[1:]:
        same = (state.proposals[:, None] == state.population[None, :3]).all(-1)
        assert (same.sum(-1).max(-1) >= 2).all()
        assert (same.sum(-1).max(-1) == 2).mean() > 0.5


@pytest.mark.parametrize(("kept", "num_kept"), [(0.0, 0), (0.5, 1), (0.7, 2)])
def test_another_beam_starts_when_one_gets_no_better_and_the_best_is_kept(kept, num_kept):
    search = dataclasses.replace(SEARCH, patience=2, least_gain=0.5, kept=kept)
    states = walk(search, 30)[1:]
    given_up = [bool(np.isneginf(state.fitness[:3]).all()) for state in states]
    assert sum(given_up) > 3
    assert not all(given_up)
    best = [float(state.fitness[-1]) for state in states]
    assert best == sorted(best)
    for state in itertools.compress(states, given_up):
        stays = (state.proposals == state.population[None, -1]).all((0, 2))
        assert stays.sum() == num_kept
        drawn = np.asarray(state.proposals)[:, ~stays]
        np.testing.assert_array_equal(np.unique(drawn[..., 2:]), [0, 1])
        assert len(np.unique(drawn[..., 0])) == SHAPE[1]


def test_the_logits_are_those_of_the_best_of_all():
    for state in walk(SEARCH, 8)[1:]:
        np.testing.assert_array_equal(state.logits, np.full(3, state.fitness[-1]))


def test_nan_never_enters_the_beam():
    def half_nan(genotypes):
        fitness, logits = score(genotypes)
        return jnp.where(jnp.arange(len(fitness)) % 2 == 0, jnp.nan, fitness), logits

    for state in walk(SEARCH, 8, half_nan)[1:]:
        assert np.isfinite(state.fitness).all()

    def all_nan(genotypes):
        return jnp.full(len(genotypes), jnp.nan), jnp.full(3, jnp.nan)

    state = walk(SEARCH, 8, all_nan)[-1]
    assert np.isneginf(state.fitness).all()
    assert np.isfinite(state.population).all()


def test_a_model_that_recovers_from_nan_is_still_fooled():
    jobs = jfool.SparseJob(
        target=np.array([1]), base=np.full((1, 3), 0.5, np.float32), k=np.array([2])
    )
    attack = jfool.GreedyFooling(SHAPE, NUM_CLASSES, search=SEARCH)
    results = [
        jfool.run(
            jax.random.key(0),
            attack,
            Poisonable(Linear(jnp.asarray(weights(5))), jnp.float32(health)),
            jobs,
            num_steps=20,
        )
        for health in (-1, 1)
    ]
    assert not results[0].success.any()
    assert results[1].success.all()


def test_a_jump_goes_to_any_pixel_in_a_corner_color_or_the_old_one():
    rows, others = rows_of_moves()
    moved = np.asarray(jump(jax.random.key(0), rows, others, SIZE))
    assert {tuple(p) for p in moved[:, :2]} == set(itertools.product(range(5), range(4)))
    kept = (moved[:, 2:] == np.asarray(rows)[:, 2:]).all(1)
    assert 0.2 < kept.mean() < 0.4
    assert {tuple(c) for c in moved[~kept, 2:]} == set(itertools.product((0, 1), repeat=3))


def test_a_near_move_goes_at_every_scale_up_to_a_quarter_of_the_image():
    rows, others = rows_of_moves()
    size = jnp.array([400.0, 40.0])
    moved = np.asarray(near(jax.random.key(0), rows, others, size) - rows)
    assert (moved[:, 2:] == 0).all()
    assert (np.abs(moved[:, :2]) <= [100.5, 10.5]).all()
    across = np.abs(moved[:, 0])
    assert np.abs(moved[:, 0]).max() > 50
    assert np.abs(moved[:, 1]).max() > 5
    assert 0.2 < (across <= 2).mean() < 0.6
    np.testing.assert_array_equal(moved[:, :2], np.round(moved[:, :2]))


def test_a_flip_turns_one_intensity_to_the_farther_end():
    rows, others = rows_of_moves()
    moved, before = np.asarray(flip(jax.random.key(0), rows, others, SIZE)), np.asarray(rows)
    np.testing.assert_array_equal(moved[:, :2], before[:, :2])
    changed = moved[:, 2:] != before[:, 2:]
    np.testing.assert_array_equal(changed.sum(1), 1)
    assert (changed.sum(0) > 80).all()
    np.testing.assert_array_equal(moved[:, 2:][changed], before[:, 2:][changed] < 0.5)


def test_a_shade_alters_intensities_alone_and_a_borrowed_row_is_the_other():
    rows, others = rows_of_moves()
    moved = np.asarray(shade(jax.random.key(0), rows, others, SIZE) - rows)
    assert (moved[:, :2] == 0).all()
    np.testing.assert_allclose(moved[:, 2:].std(), 0.3, rtol=0.1)
    np.testing.assert_array_equal(borrow(jax.random.key(0), rows, others, SIZE), others)


@pytest.mark.parametrize("name", MOVES)
def test_a_move_with_all_the_share_makes_all_proposals(name):
    shares = tuple(float(move == name) for move in MOVES)
    state = walk(dataclasses.replace(SEARCH, shares=shares), 1)[-1]
    rows = state.population[:3].reshape(-1, 5)
    moved_far = (state.proposals[..., None, :2] != rows[None, None, :, :2]).any(-1).all(-1).any()
    new_color = (state.proposals[..., None, 2:] != rows[None, None, :, 2:]).any(-1).all(-1).any()
    assert bool(moved_far) == (name in ("jump", "near"))
    assert bool(new_color) == (name in ("shade",)) or name in ("jump", "flip")


def test_pixels_and_intensities_stay_in_the_image():
    for state in walk(SEARCH, 15):
        positions, colors = np.asarray(state.proposals[..., :2]), state.proposals[..., 2:]
        assert ((positions >= 0) & (positions < np.asarray(SIZE))).all()
        assert ((colors >= 0) & (colors <= 1)).all()


def test_the_same_key_gives_the_same():
    assert_same(walk(SEARCH, 3), walk(SEARCH, 3))


@pytest.mark.slow
def test_without_jit_a_step_is_the_same():
    states = walk(SEARCH, 3)
    key = jax.random.fold_in(jax.random.key(2), 2)
    plain, _ = SEARCH.step(key, task(ENCODING, 3, score), states[2])
    for ours, compiled in zip(*map(jax.tree.leaves, (plain, states[3])), strict=True):
        np.testing.assert_allclose(ours, compiled, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_proposals": 0}, "num_proposals: expected a whole number of at least 1, got 0"),
        ({"beam": 0}, "beam: expected a whole number of at least 1, got 0"),
        ({"num_proposals": 4, "beam": 5}, "beam: expected at most the 4 proposals, got 5"),
        ({"shares": (1.0, 1.0)}, "shares: expected one number each for jump"),
        ({"shares": (0, 0, 0, 0, 0)}, "shares: expected a number above 0 for some move"),
        (
            {"shares": (1, 1, 1, 1, -1)},
            "shares: expected a number of at least 0 for borrow, got -1",
        ),
        ({"patience": 0}, "patience: expected at least 1 step, got 0"),
        ({"least_gain": -1.0}, "least_gain: expected at least 0, got -1.0"),
        ({"kept": 1.0}, r"kept: expected a share in \[0, 1\), got 1.0"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        GreedySearch(**given).check()
