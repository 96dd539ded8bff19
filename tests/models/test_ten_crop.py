"""Ten crops by hand, and what their mean means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jfool
from models import CNN, TenCrop

IMAGES = np.random.default_rng(0).uniform(size=(3, 13, 12, 1)).astype(np.float32)


@pytest.fixture
def model():
    model = CNN((10, 8, 1), 4, widths=(2, 2, 2), hidden=8, rngs=nnx.Rngs(0))
    model.eval()
    return model


def crops_by_hand(image):
    """From 13 x 12 to 10 x 8: corners, centre (rounded down), and their mirror images."""
    whole = [image[y : y + 10, x : x + 8] for y, x in ((0, 0), (0, 4), (3, 0), (3, 4), (1, 2))]
    return np.stack(whole + [np.fliplr(crop) for crop in whole])


def test_probabilities_are_the_mean_over_the_crops(model):
    ten = TenCrop(model, (13, 12, 1))
    expected = [jax.nn.softmax(model(crops_by_hand(image))).mean(axis=0) for image in IMAGES]
    np.testing.assert_allclose(jax.nn.softmax(ten(IMAGES)), expected, rtol=1e-5)
    np.testing.assert_allclose(ten(IMAGES), np.log(expected), rtol=1e-4, atol=1e-6)


def test_one_broken_crop_is_a_broken_image(model):
    class Broken(type(model)):
        def walk(self, images):
            first = jnp.arange(len(images)) == 1  # the upper left crop of the second image
            for name, x in super().walk(images):
                yield name, jnp.where(first[:, None], jnp.nan, x) if name == self.layers[-1] else x

    broken = Broken((10, 8, 1), 4, widths=(2, 2, 2), hidden=8, rngs=nnx.Rngs(0))
    broken.eval()
    ten = TenCrop(broken, (13, 12, 1))
    found = np.asarray(jax.jit(lambda images: ten(images))(IMAGES))
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_the_mirror_image_of_an_image_has_the_same_logits(model):
    """The centre crop lies symmetrically here."""
    ten = TenCrop(model, (14, 12, 1))
    images = jnp.asarray(np.pad(IMAGES, ((0, 0), (0, 1), (0, 0), (0, 0))))
    np.testing.assert_allclose(ten(images), ten(images[:, :, ::-1]), rtol=1e-4)


def test_an_image_as_large_as_a_crop_is_seen_twice(model):
    ten = TenCrop(model, (10, 8, 1))
    image = IMAGES[:, :10, :8]
    mean = (jax.nn.softmax(model(image)) + jax.nn.softmax(model(image[:, :, ::-1]))) / 2
    np.testing.assert_allclose(jax.nn.softmax(ten(image)), mean, rtol=1e-5)


def test_it_is_a_model_to_attack(model):
    ten = TenCrop(model, (13, 12, 1))
    ten.eval()
    attack = jfool.SparseFooling(ten.image_shape, ten.num_classes, max_k=2)
    jobs = jfool.grid(jfool.SparseJob, base=[[0.0]], label=range(4), k=2)
    result = jfool.run(jax.random.key(0), attack, ten, jobs, num_steps=2)
    confidence = jax.nn.softmax(ten(result.images))[jnp.arange(4), jnp.arange(4)]
    np.testing.assert_allclose(result.confidence, confidence, rtol=1e-4)


@pytest.mark.parametrize("shape", [(9, 12, 1), (13, 7, 1), (13, 12, 3), (13, 12)])
def test_crops_that_do_not_fit_are_refused(model, shape):
    with pytest.raises(ValueError, match=r"image_shape: expected at least \(10, 8, 1\)"):
        TenCrop(model, shape)


def test_the_shape_of_the_whole_image_may_be_a_list(model):
    images = jnp.ones((2, 12, 11, 1))
    np.testing.assert_array_equal(
        TenCrop(model, [12, 11, 1])(images), TenCrop(model, (12, 11, 1))(images)
    )
