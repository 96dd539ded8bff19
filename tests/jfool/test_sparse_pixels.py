"""Painting, the start, and what the encoding refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import jfool
from tests.jfool import oracle
from tests.jfool.helpers import photos

HEIGHT, WIDTH, MAX_K = 3, 4, 5


@st.composite
def genotypes(draw: st.DrawFn, channels: int) -> np.ndarray:
    """`MAX_K` rows on few pixels, so that most share theirs with another row."""
    rows = []
    for _ in range(MAX_K):
        x = draw(st.sampled_from([0.0, 0.99, 1.0, 1.5, WIDTH - 0.01]))
        y = draw(st.sampled_from([0.0, 0.5, HEIGHT - 0.01]))
        rows.append([x, y, *(draw(st.floats(0, 1, width=32)) for _ in range(channels))])
    return np.array(rows, np.float32)


def painted(base: np.ndarray, genotype: np.ndarray, k: int, channels: int) -> np.ndarray:
    encoding = jfool.SparsePixels((HEIGHT, WIDTH, channels), MAX_K)
    job = jfool.SparseJob(target=jnp.int32(0), base=jnp.asarray(base), k=jnp.int32(k))
    return np.asarray(decode(encoding, job, jnp.asarray(genotype)))


decode = jax.jit(lambda encoding, job, genotype: encoding.decode(job, genotype))


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "color"])
@pytest.mark.parametrize("on", ["a color", "a photograph"])
@settings(max_examples=60, deadline=None)
@given(data=st.data(), k=st.integers(1, MAX_K))
def test_the_first_k_rows_are_painted_and_the_later_row_wins(channels, on, data, k):
    genotype = data.draw(genotypes(channels))
    shape = (HEIGHT, WIDTH, channels)
    base = photos(1, 7, shape)[0] if on == "a photograph" else photos(1, 8, shape)[0, 0, 0]
    np.testing.assert_array_equal(
        painted(base, genotype, k, channels), oracle.paint(base, genotype, k, shape)
    )


@pytest.mark.parametrize("k", range(1, MAX_K + 1))
def test_of_rows_on_one_pixel_only_the_last_used_one_shows(k):
    genotype = np.array([[1.5, 2.5, 0.1 * row] for row in range(MAX_K)], np.float32)
    image = painted(np.array([0.7], np.float32), genotype, k, 1)
    expected = np.full((HEIGHT, WIDTH, 1), 0.7, np.float32)
    expected[2, 1] = genotype[k - 1, 2]
    np.testing.assert_array_equal(image, expected)


def start(channels: int = 3) -> np.ndarray:
    encoding = jfool.SparsePixels((HEIGHT, WIDTH, channels), MAX_K)
    u = jax.random.uniform(jax.random.key(0), (4000, *encoding.genotype_shape))
    return np.asarray(encoding.from_unit(u))


def test_positions_start_uniformly_on_whole_pixels():
    population = start()
    x, y = population[..., 0].ravel(), population[..., 1].ravel()
    counts = np.zeros((HEIGHT, WIDTH))
    np.add.at(counts, (y.astype(int), x.astype(int)), 1)
    assert ((x % 1 == 0) & (y % 1 == 0)).all()
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_intensities_start_normally_and_16_percent_of_them_at_either_end():
    intensities = start()[..., 2:].ravel()
    assert np.mean(intensities == 0) == pytest.approx(stats.norm.cdf(-1), abs=0.005)
    assert np.mean(intensities == 1) == pytest.approx(stats.norm.cdf(-1), abs=0.005)
    between = intensities[(intensities > 0) & (intensities < 1)]
    assert stats.kstest(between, stats.truncnorm(-1, 1, 0.5, 0.5).cdf).pvalue > 1e-3


def test_the_extremes_of_a_uniform_draw_give_valid_genotypes():
    encoding = jfool.SparsePixels((HEIGHT, WIDTH, 1), MAX_K)
    top = np.nextafter(np.float32(1), np.float32(0))
    for u, x, y, c in ((0.0, 0, 0, 0), (top, WIDTH - 1, HEIGHT - 1, 1)):
        genotype = encoding.from_unit(jnp.full((1, MAX_K, 3), u, jnp.float32))
        np.testing.assert_array_equal(genotype[0, 0], [x, y, c])


def test_repair_clips_intensities_and_keeps_valid_genotypes():
    encoding = jfool.SparsePixels((HEIGHT, WIDTH, 1), 2)
    genotype = jnp.array([[[0.5, 1.25, -0.5], [9.0, -9.0, 1.5]]], jnp.float32)
    repaired = encoding.repair(jax.random.key(0), genotype)
    np.testing.assert_array_equal(np.floor(repaired), [[[0, 1, 0], [WIDTH - 1, 0, 1]]])
    np.testing.assert_array_equal(repaired[0, 0], [0.5, 1.25, 0.0])
    again = encoding.repair(jax.random.key(1), repaired)
    np.testing.assert_array_equal(again, repaired)


def test_the_plain_pixels_encoding_shows_its_genotype():
    image = jnp.asarray(photos(1)[0])
    np.testing.assert_array_equal(jfool.Pixels().decode(None, image), image)
