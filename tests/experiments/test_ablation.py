"""Tiles taken away greedily, against loops over pixels."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

import jfool
from experiments.nguyen2015.ablation import ablate, ablated, tiles
from experiments.nguyen2015.methods import Archives
from tests.experiments.tiny_network import TinyNetwork

SHAPE, NUM_CLASSES, SIDE, TARGET = (5, 7, 3), 4, 3, 2
FILL = np.array([0.5, 0.25, 0.75], np.float32)
MODEL = TinyNetwork(SHAPE, NUM_CLASSES)
MODEL.outer[...] /= 10  # else float32 has ties at 1


def random_image(seed):
    return np.random.default_rng(seed).uniform(size=SHAPE).astype(np.float32)


def confidence(image):
    inner, outer = (np.asarray(w[...], np.float64) for w in (MODEL.inner, MODEL.outer))
    return softmax(np.maximum(image.ravel().astype(float) @ inner, 0) @ outer)[TARGET]


def by_hand(image, least):
    """Every tile that is left is tried, one at a time."""
    order, course = [], []
    while len(order) < SIDE**2:
        tried = {}
        for tile in set(range(SIDE**2)) - set(order):
            row, column = divmod(tile, SIDE)
            without = image.copy()
            for y in range(SHAPE[0]):
                for x in range(SHAPE[1]):
                    if y * SIDE // SHAPE[0] == row and x * SIDE // SHAPE[1] == column:
                        without[y, x] = FILL
            tried[tile] = confidence(without), without
        tile = max(sorted(tried), key=lambda tile: tried[tile][0])
        if tried[tile][0] < least:
            break
        image = tried[tile][1]
        order.append(tile)
        course.append(tried[tile][0])
    return image, order, course


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_the_order_is_that_of_trying_every_tile(seed, share):
    image = random_image(seed)
    least = share * confidence(image)
    left, order, course = by_hand(image, least)
    found = ablate(MODEL, image, TARGET, FILL, side=SIDE, least=least)
    assert found[1] == order
    np.testing.assert_allclose(found[2], course, rtol=1e-4)
    np.testing.assert_array_equal(found[0], left)


def test_all_goes_where_nothing_must_hold_and_nothing_where_all_must():
    image = random_image(0)
    bare, order, _ = ablate(MODEL, image, TARGET, FILL, side=SIDE, least=0.0)
    np.testing.assert_array_equal(bare, np.broadcast_to(FILL, SHAPE))
    assert sorted(order) == list(range(SIDE**2))
    whole, order, course = ablate(MODEL, image, TARGET, FILL, side=SIDE, least=1.1)
    np.testing.assert_array_equal(whole, image)
    assert order == course == []


def test_what_makes_the_confidence_nan_is_never_removed():
    def breaks_on_dark(weights, images):
        flat = images.reshape(len(images), -1)
        return jnp.where(flat[:, :1] < 0.1, jnp.nan, flat @ weights)

    weights = np.random.default_rng(0).normal(size=(105, NUM_CLASSES)).astype(np.float32)
    model = jfool.wrap(breaks_on_dark, weights)
    image, black = np.full(SHAPE, 0.9, np.float32), np.zeros(3, np.float32)
    _, order, _ = ablate(model, image, TARGET, black, side=SIDE, least=0.0)
    assert sorted(order) == list(range(1, SIDE**2))


def test_champions_lose_tiles_in_their_own_mean_color():
    """The tile that is bright alone is what the network sees."""

    def first_pixel(weights, images):
        return weights * images[:, 0, 0]

    image = np.zeros((4, 4, 1), np.float32)
    image[0, 0] = 1
    confidence = np.array([[0.3, softmax([6, 0])[0]]])

    class Painted(Archives):
        def images(self, run, cells):
            return np.stack([image] * len(cells))

    of = Painted(np.array([[1, 0]]), None, confidence, None, None)
    model = jfool.wrap(first_pixel, np.array([[6, 0]], np.float32))
    found = ablated(model, of, [1], side=2, hold=0.9)
    assert found["target"].tolist() == [0]
    assert found["removed"].tolist() == [0.75]
    np.testing.assert_allclose(found["course"][0], [confidence[0, 1]] * 4 + [np.nan], rtol=1e-5)
    np.testing.assert_allclose(found["left"][0, 2:], image.mean(), rtol=1e-6)
    np.testing.assert_array_equal(found["left"][0, :2, :2], image[:2, :2])


def test_tiles_are_as_even_as_they_can_be():
    assert tiles(2, 5, 2).tolist() == [[0, 0, 0, 1, 1], [2, 2, 2, 3, 3]]
