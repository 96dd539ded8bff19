"""The capsule network against a NumPy restatement with loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import softmax

from models import CapsNet, in_precision
from models.capsnet import squash
from tests.models import oracle

MAPS, CLASSES = 2, 3
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(size=(2, 19, 18, 1)).astype(np.float32)
LABELS = np.array([2, 0])


@pytest.fixture(scope="module")
def model():
    return CapsNet((19, 18, 1), CLASSES, filters=3, maps=MAPS, hidden=(5, 7), rngs=nnx.Rngs(0))


def squashed(s):
    length = np.linalg.norm(s)
    return length**2 / (1 + length**2) * s / length


def restated(model, images):
    """Facts of the authors' code: votes are divided by the maps, the bias sits inside."""
    x = np.maximum(oracle.convolve(images.astype(np.float64), *oracle.parameters(model.conv1)), 0)
    kernel, bias = oracle.parameters(model.primary)
    x = oracle.convolve(x, kernel, 0.0)[:, ::2, ::2] / MAPS + bias
    votes, digit_bias = (np.asarray(v[...], np.float64) for v in (model.votes, model.bias))
    primary, digit = [], []
    for image in x.reshape(len(x), -1, 8):
        u = [squashed(s) for s in image]
        primary.append(u)
        hats = [[u[i] @ votes[i, :, k] for k in range(CLASSES)] for i in range(len(u))]
        b, v = np.zeros((len(u), CLASSES)), []
        for _ in range(3):
            c = np.exp(b) / np.exp(b).sum(axis=1, keepdims=True)
            v = [
                squashed(sum(c[i, k] * hats[i][k] for i in range(len(u))) + digit_bias[k])
                for k in range(CLASSES)
            ]
            for i in range(len(u)):
                for k in range(CLASSES):
                    b[i, k] += hats[i][k] @ v[k]
        digit.append(v)
    digit = np.array(digit)
    return {
        "primary": np.array(primary),
        "digit": digit,
        "lengths": np.linalg.norm(digit, axis=-1),
    }


def test_capsules_and_lengths_equal_the_restatement(model):
    got = jax.jit(lambda model, images: dict(model.walk(images)))(model, IMAGES)
    for layer, expected in restated(model, IMAGES).items():
        np.testing.assert_allclose(got[layer], expected, rtol=2e-4, atol=1e-5)


def test_the_loss_is_margins_and_half_a_thousandth_of_the_reconstruction(model):
    digit = restated(model, IMAGES)["digit"]
    total = 0.0
    for image, label, capsules in zip(IMAGES, LABELS, digit, strict=True):
        for k, capsule in enumerate(capsules):
            length = np.linalg.norm(capsule)
            if k == label:
                total += 0.5 * max(0, 0.9 - length) ** 2 / CLASSES
            else:
                total += 0.25 * max(0, length - 0.1) ** 2 / CLASSES
        x = np.zeros(CLASSES * 16)
        x[16 * label : 16 * label + 16] = capsules[label]
        for layer in list(model.decoder)[:-1]:
            x = np.maximum(oracle.dense(x[None], layer)[0], 0)
        x = 1 / (1 + np.exp(-oracle.dense(x[None], model.decoder[-1])[0]))
        total += 0.0005 * ((x - image.ravel()) ** 2).sum()
    loss = jax.jit(lambda model, *batch: model.loss(*batch))(model, IMAGES, LABELS)
    np.testing.assert_allclose(loss, total / len(IMAGES), rtol=1e-4)


def test_squash_and_the_loss_have_gradients_at_zero(model):
    gradient = jax.jit(jax.jacobian(squash))(np.zeros(8, np.float32))
    np.testing.assert_array_equal(gradient, np.zeros((8, 8)))
    by_images = jax.jit(jax.grad(lambda images, model: model.loss(images, LABELS)))
    assert np.isfinite(by_images(np.zeros_like(IMAGES), model)).all()


def test_its_confidence_has_the_bound_that_the_paper_met():
    """Softmax over lengths: margins give 19.8 %, and lengths below 1 never 23.2 %."""
    margins, extreme = np.where(np.arange(10) == 3, [[0.9], [1.0]], [[0.1], [0.0]])
    assert softmax(margins)[3] == pytest.approx(0.198, abs=5e-4)
    assert softmax(extreme)[3] == pytest.approx(np.e / (np.e + 9))
    assert softmax(extreme)[3] == pytest.approx(0.232, abs=5e-4)


def test_it_has_8_215_728_parameters_on_mnist():
    model = nnx.eval_shape(lambda: CapsNet(rngs=nnx.Rngs(0)))
    by_hand = (81 + 1) * 256 + (81 * 256 + 1) * 256  # two convolutions
    by_hand += 1152 * 8 * 160 + 160  # votes, biases
    by_hand += 161 * 512 + 513 * 1024 + 1025 * 784  # decoder
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
    assert sum(sizes) == by_hand == 8_215_728


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="image_shape: expected at least 17 x 17"):
        CapsNet((28, 16, 1), rngs=nnx.Rngs(0))


def test_routing_stays_in_float32_at_half_precision(model):
    model = in_precision(model, jnp.bfloat16)
    program = str(jax.make_jaxpr(lambda u: model.route(u))(jnp.zeros((1, 4, 8))))
    assert "bf16" not in program
    lengths = jax.jit(lambda model, images: model(images))(model, IMAGES)
    np.testing.assert_allclose(lengths, restated(model, IMAGES)["lengths"], atol=0.02)
