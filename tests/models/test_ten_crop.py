"""Ten crops by hand, and what their mean means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import softmax

import jfool
from jfool.model_checks import are_probabilities
from models import CNN, TenCrop, in_precision

IMAGES = np.random.default_rng(0).uniform(size=(3, 13, 12, 1)).astype(np.float32)


logits_of = jax.jit(lambda model, images: model(images))


@pytest.fixture(scope="module")
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
    crops = np.concatenate([crops_by_hand(image) for image in IMAGES])
    expected = softmax(logits_of(model, crops), axis=1).reshape(3, 10, 4).mean(axis=1)
    logits = logits_of(ten, IMAGES)
    np.testing.assert_allclose(softmax(logits, axis=1), expected, rtol=1e-5)
    np.testing.assert_allclose(logits, np.log(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_it_returns_finite_logarithms_and_no_probabilities(model, scale):
    class Scaled(type(model)):
        def walk(self, images):
            for name, x in super().walk(images):
                yield name, scale * x if name == self.layers[-1] else x

    scaled = Scaled((10, 8, 1), 4, widths=(2, 2, 2), hidden=8, rngs=nnx.Rngs(0))
    scaled.eval()
    ten = TenCrop(scaled, (13, 12, 1))
    logits = logits_of(ten, IMAGES)
    assert np.isfinite(logits).all()
    assert (np.asarray(logits) <= 0).all()
    np.testing.assert_allclose(np.exp(logits).sum(1), 1, rtol=1e-4)
    assert not are_probabilities(ten, ten.image_shape, ten.num_classes)


def test_one_broken_crop_is_a_broken_image(model):
    class Broken(type(model)):
        def walk(self, images):
            first = jnp.arange(len(images)) == 1  # the upper left crop of the second image
            for name, x in super().walk(images):
                yield name, jnp.where(first[:, None], jnp.nan, x) if name == self.layers[-1] else x

    broken = Broken((10, 8, 1), 4, widths=(2, 2, 2), hidden=8, rngs=nnx.Rngs(0))
    broken.eval()
    ten = TenCrop(broken, (13, 12, 1))
    found = np.asarray(logits_of(ten, IMAGES))
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_the_mirror_image_of_an_image_has_the_same_logits(model):
    """The centre crop lies symmetrically here."""
    ten = TenCrop(model, (14, 12, 1))
    images = np.pad(IMAGES, ((0, 0), (0, 1), (0, 0), (0, 0)))
    mirrored = logits_of(ten, images[:, :, ::-1])
    np.testing.assert_allclose(logits_of(ten, images), mirrored, rtol=1e-4)


def test_an_image_as_large_as_a_crop_is_seen_twice(model):
    ten = TenCrop(model, (10, 8, 1))
    image = IMAGES[:, :10, :8]
    both = [softmax(logits_of(model, x), axis=1) for x in (image, image[:, :, ::-1])]
    np.testing.assert_allclose(
        softmax(logits_of(ten, image), axis=1), np.mean(both, axis=0), rtol=1e-5
    )


@pytest.mark.slow
def test_it_is_a_model_to_attack(model):
    ten = TenCrop(model, (13, 12, 1))
    ten.eval()
    search = jfool.DifferentialEvolution(population_size=4)
    attack = jfool.SparseFooling(ten.image_shape, ten.num_classes, max_k=2, search=search)
    jobs = jfool.grid(jfool.SparseJob, base=[[0.0]], target=range(4), k=2)
    result = jfool.run(jax.random.key(0), attack, ten, jobs, num_steps=2)
    confidence = np.diag(softmax(logits_of(ten, result.images), axis=1))
    np.testing.assert_allclose(result.confidence, confidence, rtol=1e-4)


@pytest.mark.parametrize(
    "shape",
    [
        *((9, 12, 1), (13, 7, 1), (13, 12, 3), (13, 12), 5, None, ("a", "b", 1), (13.5, 13, 1)),
        *((np.nan, 13, 1), (13, 12, True)),
    ],
)
def test_crops_that_do_not_fit_are_refused(model, shape):
    with pytest.raises(ValueError, match=r"image_shape: expected at least \(10, 8, 1\)"):
        TenCrop(model, shape)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda model: TenCrop(5), "model: expected a models.Network, got 5"),
        (lambda model: in_precision(5, "float32"), "model: expected a models.Network, got 5"),
        *(
            (
                lambda model, v=value: in_precision(model, v),
                "dtype: expected bfloat16 or float32, got ",
            )
            for value in (None, 5, "x", "float16", np.zeros(3), jnp.int32, [], {}, "\ud800" * 999)
        ),
    ],
)
def test_no_networks_and_no_precisions_are_refused(model, call, sentence):
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}") as caught:
        call(model)
    assert len(str(caught.value)) <= 300


def test_the_shape_of_the_whole_image_may_be_a_list(model):
    ten = TenCrop(model, [12, 11, 1])
    assert ten.image_shape == (12, 11, 1)
    assert jax.eval_shape(ten, jnp.ones((2, 12, 11, 1))).shape == (2, 4)
