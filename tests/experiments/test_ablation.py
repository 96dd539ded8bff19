"""Tiles taken away greedily, against loops in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from experiments.nguyen2015.ablation import ablate, tiles
from tests.experiments.tiny_network import TinyNetwork

SHAPE, NUM_CLASSES, SIDE, LABEL = (5, 7, 3), 4, 3, 2
FILL = np.array([0.5, 0.25, 0.75], np.float32)


def confidence(model, image):
    return float(jax.nn.softmax(model(jnp.asarray(image[None])))[0, LABEL])


def by_hand(model, image, least):
    """Every tile that is left is tried, one at a time."""
    order, course = [], [confidence(model, image)]
    while len(order) < SIDE**2:
        tried = {}
        for tile in set(range(SIDE**2)) - set(order):
            row, column = divmod(tile, SIDE)
            without = image.copy()
            for y in range(SHAPE[0]):
                for x in range(SHAPE[1]):
                    if y * SIDE // SHAPE[0] == row and x * SIDE // SHAPE[1] == column:
                        without[y, x] = FILL
            tried[tile] = confidence(model, without), without
        tile = max(sorted(tried), key=lambda tile: tried[tile][0])
        if tried[tile][0] < least:
            break
        image = tried[tile][1]
        order.append(tile)
        course.append(tried[tile][0])
    return order, course, image


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_the_order_is_that_of_trying_every_tile(seed, share):
    model = TinyNetwork(SHAPE, NUM_CLASSES, seed=seed)
    image = np.random.default_rng(seed).uniform(size=SHAPE).astype(np.float32)
    least = share * confidence(model, image)
    order, course, left = by_hand(model, image, least)
    found = ablate(model, image, LABEL, FILL, side=SIDE, least=least)
    count = len(order)
    assert found.order.tolist() == order + [-1] * (SIDE**2 - count)
    np.testing.assert_allclose(found.confidence[: count + 1], course, rtol=1e-4)
    assert np.isnan(found.confidence[count + 1 :]).all()
    np.testing.assert_array_equal(found.image, left)


def test_all_goes_where_nothing_must_hold_and_nothing_where_all_must():
    model = TinyNetwork(SHAPE, NUM_CLASSES)
    image = np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32)
    bare = ablate(model, image, LABEL, FILL, side=SIDE, least=0.0)
    np.testing.assert_array_equal(bare.image, np.broadcast_to(FILL, SHAPE))
    assert sorted(bare.order.tolist()) == list(range(SIDE**2))
    whole = ablate(model, image, LABEL, FILL, side=SIDE, least=1.1)
    np.testing.assert_array_equal(whole.image, image)
    assert (whole.order == -1).all()


def test_what_makes_the_confidence_nan_is_never_removed():
    def breaks_on_dark(weights, images):
        flat = images.reshape(len(images), -1)
        return jnp.where(flat[:, :1] < 0.1, jnp.nan, flat @ weights)

    weights = np.random.default_rng(0).normal(size=(105, NUM_CLASSES)).astype(np.float32)
    image = np.full(SHAPE, 0.9, np.float32)
    black = np.zeros(3, np.float32)
    found = ablate(jfool.wrap(breaks_on_dark, weights), image, LABEL, black, side=SIDE, least=0.0)
    assert 0 not in found.order[: SIDE**2 - 1]
    assert found.order[-1] == -1


def test_tiles_are_as_even_as_they_can_be():
    assert tiles(2, 5, 2).tolist() == [[0, 0, 0, 1, 1], [2, 2, 2, 3, 3]]
