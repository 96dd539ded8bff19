"""Theorems 1 to 3 of Kumano et al. (2020) against exhaustive search over three gray levels.

Weights are small whole numbers, so that float32 holds every sum exactly and equal means equal.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfool import theory

RANGES = [(0.0, 1.0), (0.0, 2.0), (-1.0, 1.0), (1.0, 3.0), (-4.0, -2.0)]


def whole(rng, *shape, most=4):
    return rng.integers(-most, most + 1, shape).astype(np.float32)


def images_of(num_pixels, r, R):
    """All images of three levels, and the k of each: pixels that differ from the best base."""
    levels = np.array([r, (r + R) / 2, R])
    images = np.array(list(itertools.product(levels, repeat=num_pixels)))
    k = num_pixels - (images[:, :, None] == levels).sum(1).max(1)
    return images, k


def best_by_k(gaps, k, num_pixels):
    """`[cases, D + 1]`, the highest gap of images with at most k altered pixels."""
    return np.stack([gaps[:, k <= most].max(1) for most in range(num_pixels + 1)], 1)


def black_sets(num_pixels):
    """All black images with white pixels, and how many they have."""
    sets = np.array(list(itertools.product([0.0, 1.0], repeat=num_pixels)))
    return sets, sets.sum(1).astype(int)


def one_by_one(h, num_pixels):
    """Algorithms 1 and 2 as printed (with k for n), in NumPy: values along the run."""
    chosen, values = [], [0.0]
    while len(chosen) < num_pixels:
        rest = [i for i in range(num_pixels) if i not in chosen]
        found = [h([*chosen, i]) for i in rest]
        if max(found) <= values[-1]:
            break
        chosen.append(rest[int(np.argmax(found))])
        values.append(max(found))
    return chosen, values


def h_of(U, delta_v):
    return lambda chosen: float(delta_v @ np.maximum(U[:, chosen].sum(1), 0))


def g_of(Q):
    return lambda chosen: float(Q[np.ix_(chosen, chosen)].sum())


@functools.partial(jax.jit, static_argnames="paper_branch")
def linear_bounds(deltas, r, R, paper_branch=False):
    options = {"r": r, "R": R, "paper_branch": paper_branch}
    return jax.vmap(lambda delta: theory.linear(delta, **options).bound)(deltas)


@functools.partial(jax.jit, static_argnames="paper_branch")
def linear_images(deltas, r, R, paper_branch):
    """For every k from 0 to D, images and their predicted gaps: `[D + 1, N, D]`, `[D + 1, N]`."""

    def look(delta, k):
        sfis = theory.linear(delta, r=r, R=R, paper_branch=paper_branch)
        return sfis.image(k), sfis.bound[k]

    ks = jnp.arange(deltas.shape[1] + 1)
    return jax.vmap(lambda k: jax.vmap(look, (0, None))(deltas, k))(ks)


hidden_layers = jax.jit(jax.vmap(lambda U, delta_v: theory.hidden_layer(U, delta_v, R=2.0)))
polynomials = jax.jit(jax.vmap(lambda Q: theory.polynomial(Q, R=2.0)))


@pytest.mark.parametrize(("r", "R"), RANGES)
@pytest.mark.parametrize("num_pixels", [1, 2, 4, 6])
def test_theorem_1_is_what_exhaustive_search_finds(num_pixels, r, R):
    delta = whole(np.random.default_rng(num_pixels), 200, num_pixels)
    images, k = images_of(num_pixels, r, R)
    best = best_by_k(delta @ images.T, k, num_pixels)
    assert np.array_equal(linear_bounds(delta, r, R), best)


@pytest.mark.parametrize(("r", "R"), RANGES)
def test_the_printed_branch_is_never_above_the_maximum_and_sometimes_below(r, R):
    delta = whole(np.random.default_rng(0), 2000, 5)
    exact = np.asarray(linear_bounds(delta, r, R))
    printed = np.asarray(linear_bounds(delta, r, R, paper_branch=True))
    assert (printed <= exact).all()
    assert (printed[:, 0] == exact[:, 0]).all()  # without altered pixels it is right
    assert (printed < exact).any()
    total, descending = delta.sum(1), -np.sort(-delta, axis=1)
    most, least = np.maximum(descending[:, 0], 0), np.minimum(descending[:, -1], 0)
    branch = np.where(total > 0, R * total + (r - R) * least, r * total + (R - r) * most)
    assert np.array_equal(printed[:, 1], branch)


def test_the_printed_branch_misses_the_white_pixel_on_black():
    delta = np.array([4.0, -1.0, -1.0, -1.0], np.float32)
    assert theory.linear(delta, paper_branch=True).bound[1] == 2
    exact = theory.linear(delta)
    assert exact.bound[1] == 4
    assert exact.image(1).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("paper_branch", [False, True])
@pytest.mark.parametrize(("r", "R"), RANGES)
def test_a_linear_certificate_has_at_most_k_altered_pixels_and_the_predicted_gap(
    r, R, paper_branch
):
    deltas = whole(np.random.default_rng(1), 100, 6)
    found = map(np.asarray, linear_images(deltas, r, R, paper_branch))
    for k, (images, gaps) in enumerate(zip(*found, strict=True)):
        assert np.array_equal((deltas * images).sum(1), gaps)
        altered = 6 - np.maximum((images == r).sum(1), (images == R).sum(1))
        assert (altered <= k).all()
        assert np.isin(images, [r, R]).all()


@pytest.mark.parametrize("num_pixels", [1, 3, 6])
def test_algorithm_1_is_the_printed_loop_and_never_above_the_maximum(num_pixels):
    rng = np.random.default_rng(num_pixels)
    U, delta_v = whole(rng, 1000, 3, num_pixels), whole(rng, 1000, 3)
    sfis = hidden_layers(U, delta_v)
    sets, k = black_sets(num_pixels)
    hidden = np.maximum(np.einsum("ndi,si->nsd", U, sets), 0)
    best = best_by_k(2 * np.einsum("nsd,nd->ns", hidden, delta_v), k, num_pixels)
    images, altered = images_of(num_pixels, 0.0, 2.0)
    hidden = np.maximum(np.einsum("ndi,si->nsd", U, images), 0)
    of_all = best_by_k(np.einsum("nsd,nd->ns", hidden, delta_v), altered, num_pixels)
    pixels, bound = np.asarray(sfis.pixels[:, 0]), np.asarray(sfis.log_odds[:, 0])
    assert (bound <= best).all()
    assert (bound <= of_all).all()
    if num_pixels > 1:  # it is sufficient only
        assert (bound < best).any()
        assert (best < of_all).any()
    for i in range(200):
        chosen, values = one_by_one(h_of(U[i], delta_v[i]), num_pixels)
        check_loop(pixels[i], bound[i], chosen, np.multiply(2, values))


@pytest.mark.parametrize("num_pixels", [1, 3, 6])
def test_algorithm_2_is_the_printed_loop_and_never_above_the_maximum(num_pixels):
    Q = whole(np.random.default_rng(num_pixels), 1000, num_pixels, num_pixels)
    Q = Q + Q.swapaxes(1, 2)
    sfis = polynomials(Q)
    sets, k = black_sets(num_pixels)
    best = best_by_k(4 * np.einsum("si,nij,sj->ns", sets, Q, sets), k, num_pixels)
    pixels, bound = np.asarray(sfis.pixels[:, 0]), np.asarray(sfis.log_odds[:, 0])
    assert (bound <= best).all()
    if num_pixels > 1:
        assert (bound < best).any()
    for i in range(200):
        chosen, values = one_by_one(g_of(Q[i]), num_pixels)
        check_loop(pixels[i], bound[i], chosen, np.multiply(4, values))


def check_loop(pixels, bound, chosen, values):
    """The values rise strictly up to where the loop stops, and the pixels are those chosen."""
    steps = len(chosen)
    assert pixels[:steps].tolist() == chosen
    assert (pixels[steps:] == len(pixels)).all()
    assert bound[: steps + 1].tolist() == values.tolist()
    assert (np.diff(bound[: steps + 1]) > 0).all()
    assert (bound[steps:] == bound[steps]).all()


def test_positive_weights_grow_as_the_paper_says():
    """At least as k, D_h k and k^2 (sec. 4.4), at most by the largest weights."""
    rng = np.random.default_rng(4)
    k = np.arange(13)
    delta, delta_v = rng.uniform(1, 2, 12), rng.uniform(1, 2, 7)
    U, Q = rng.uniform(1, 2, (7, 12)), rng.uniform(1, 2, (12, 12))
    for bound, least, most in (
        (theory.linear(delta, r=-1.0, R=1.0).log_odds[1] + delta.sum(), 2 * k, 4 * k),
        (theory.hidden_layer(U, delta_v).bound, 7 * k, 28 * k),
        (theory.polynomial(Q).bound, k**2, 2 * k**2),
    ):
        assert (np.asarray(bound) >= least - 1e-4).all()
        assert (np.asarray(bound) <= most + 1e-4).all()


def test_the_greedy_choice_can_stop_where_a_pair_would_help():
    U = np.array([[1, 1], [2, -2], [-2, 2]], np.float32)
    delta_v = np.array([1, -1, -1], np.float32)
    assert theory.hidden_layer(U, delta_v).bound.tolist() == [0, 0, 0]
    assert h_of(U, delta_v)([0, 1]) == 2


def test_certificates_shown_to_the_networks_have_the_predicted_gap():
    rng = np.random.default_rng(7)
    U, delta_v = rng.normal(size=(5, 12)), rng.normal(size=5)
    x, s = rng.normal(size=(9, 12)), rng.normal(size=9)
    hidden, kernel = theory.hidden_layer(U, delta_v, R=1.5), None
    kernel = theory.polynomial(theory.quadratic_form(s, x), R=1.5)
    for k in range(13):
        z = np.asarray(hidden.image(k), np.float64)
        assert delta_v @ np.maximum(U @ z, 0) == pytest.approx(float(hidden.bound[k]), rel=1e-5)
        assert (z != 0).sum() <= k
        z = np.asarray(kernel.image(k), np.float64)
        gap = s @ (x @ z) ** 2
        assert gap == pytest.approx(float(kernel.bound[k]), rel=1e-5)
        assert float(kernel.confidence(k)) == pytest.approx(1 / (1 + np.exp(-gap)), rel=1e-5)


@pytest.mark.parametrize("num_pixels", range(1, 8))
def test_pairs_stand_in_the_features_where_the_corrected_index_says(num_pixels):
    pairs = list(itertools.combinations(range(num_pixels), 2))
    index = [int(theory.pair_index(i, j, num_pixels)) for i, j in pairs]
    assert index == list(range(num_pixels, num_pixels * (num_pixels + 1) // 2))
    printed = [num_pixels + (i + 1) + (j + 1) - 2 - 1 for i, j in pairs]  # counted from 0
    assert (printed == index) == (num_pixels <= 3)
    assert (len(set(printed)) < len(pairs)) == (num_pixels >= 4)


def test_the_form_of_the_features_is_that_of_the_kernel():
    rng = np.random.default_rng(3)
    x, s, z = rng.normal(size=(8, 5)), rng.normal(size=8), rng.normal(size=5)
    upper = np.triu_indices(5, 1)

    def phi(v):
        return np.concatenate([v**2, np.sqrt(2) * v[upper[0]] * v[upper[1]]])

    t = sum(weight * phi(datum) for weight, datum in zip(s, x, strict=True))
    kernel = s @ (x @ z) ** 2
    assert t @ phi(z) == pytest.approx(kernel)
    for Q in (theory.form_of_features(t, 5), theory.quadratic_form(s, x)):
        assert z @ np.asarray(Q, np.float64) @ z == pytest.approx(kernel, rel=1e-4)


def test_only_the_symmetric_part_of_a_form_counts():
    Q = whole(np.random.default_rng(5), 6, 6)
    assert np.array_equal(theory.polynomial(Q).bound, theory.polynomial((Q + Q.T) / 2).bound)


def test_the_smallest_k_says_when_the_color_will_do_and_when_nothing_does():
    sfis = theory.linear(np.array([1.0, 1.0, -3.0], np.float32))  # gaps 0, 1, 2, 2
    assert sfis.bound.tolist() == [0, 2, 2, 2]  # black dot on white is the best from k = 1 on
    assert int(sfis.smallest_k(0.5)) == 0
    assert int(sfis.smallest_k(0.6)) == 1
    assert int(sfis.smallest_k(0.88)) == 1  # ln(.88 / .12) = 1.99
    assert int(sfis.smallest_k(0.89)) == -1  # 2.09


def test_a_shorter_run_is_the_start_of_a_longer_one():
    rng = np.random.default_rng(11)
    U, delta_v = whole(rng, 4, 9), whole(rng, 4)
    delta = whole(rng, 9)
    for sfis, more in (
        (theory.hidden_layer(U, delta_v, 3), theory.hidden_layer(U, delta_v)),
        (theory.linear(delta, 3), theory.linear(delta)),
    ):
        assert np.array_equal(sfis.bound, more.bound[:4])
        assert np.array_equal(sfis.image(3), more.image(3))


def test_jitted_certificates_are_the_same_and_new_weights_meet_one_trace():
    traces = []

    @jax.jit
    def smallest(delta, confidence, k):
        traces.append(1)
        sfis = theory.linear(delta, r=0.0, R=1.0)
        return sfis.smallest_k(confidence), sfis.image(k)

    rng = np.random.default_rng(2)
    for confidence, k in ((0.9, 2), (0.99, 4)):
        delta = jnp.asarray(rng.normal(size=20), jnp.float32)
        found, image = smallest(delta, confidence, k)
        sfis = theory.linear(delta)
        assert int(found) == int(sfis.smallest_k(confidence))
        assert np.array_equal(image, sfis.image(k))
    assert len(traces) == 1
