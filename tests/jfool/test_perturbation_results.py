"""What a result says of perturbed images: distances, radii, gray levels, ties, wrong images."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import Candidate, pytree
from jfool.constraints import L2, Linf
from tests.jfool.helpers import NUM_CLASSES, SHAPE, photos, relu

GRAY = np.full((1, *SHAPE), 100 / 255, np.float32)
NET = relu(scale=2.0)


@pytree
class Brighter:
    """Class 1 where the mean is above `threshold`, else class 0."""

    threshold: Any

    def __call__(self, images: Any) -> Any:
        above = 100 * (images.mean((1, 2, 3)) - self.threshold)
        return jnp.stack([-above, above], axis=1)


@pytree
class Dead:
    """Two logits of which one is 0 and the other, of class `hot`, is 0 up to a mean of 0.5."""

    hot: Any

    def __call__(self, images: Any) -> Any:
        alive = jax.nn.relu(images.mean((1, 2, 3)) - 0.5)
        return alive[:, None] * (jnp.arange(2) == self.hot)[None].astype(jnp.float32)


@pytree
class Further:
    """FGSM whose answer is `factor` times as far as it should be."""

    attack: Any
    factor: Any

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.attack, name)

    def last(self, job: Any, state: Any) -> Candidate:
        answer = self.attack.last(job, state)
        image = job.image + self.factor * (answer.image - job.image)
        return dataclasses.replace(answer, image=image)


def run(attack: Any, model: Any, images: Any, epsilon: Any, num_steps: int = 1, **classes: Any):
    given = {name: np.broadcast_to(each, len(images)) for name, each in classes.items()}
    radii = np.broadcast_to(np.float32(epsilon), len(images))
    jobs = jfool.PerturbationJob(np.asarray(images, np.float32), radii, **given)
    return jfool.run(
        jax.random.key(0), attack, model, jobs, num_steps=num_steps, keep="last",
        until=jfool.misclassified(),
    )  # fmt: skip


@pytest.mark.parametrize("constraint", [Linf(), L2()], ids=["Linf", "L2"])
def test_distances_are_those_of_the_images(constraint):
    images = photos(5)
    attack = jfool.FGSM(SHAPE, NUM_CLASSES, constraint=constraint)
    result = run(attack, NET, images, 0.2, label=np.argmax(NET(images), 1))
    delta = (np.asarray(result.images, float) - images).reshape(5, -1)
    pixels = (delta.reshape(5, -1, 3) != 0).any(-1).sum(1)
    wanted = {"l0": pixels, "l1": np.abs(delta).sum(1), "l2": np.linalg.norm(delta, axis=1)}
    wanted["linf"] = np.abs(delta).max(1)
    assert set(result.distances) == set(wanted)
    for name, far in wanted.items():
        np.testing.assert_allclose(result.distances[name], far, rtol=1e-6)


def test_an_image_that_was_wrong_before_is_no_success_and_its_prediction_is_told():
    images = photos(5)
    clean = np.argmax(NET(images), 1)
    labels = np.where(np.arange(5) < 2, clean, (clean + 1) % NUM_CLASSES)
    result = run(jfool.FGSM(SHAPE, NUM_CLASSES), NET, images, 0.3, label=labels)
    np.testing.assert_array_equal(result.clean_prediction, clean)
    assert (np.asarray(result.prediction) != labels)[:2].all()
    assert (np.asarray(result.prediction) != labels)[2:].any()
    for success in (result.success, result.success_uint8, result.success_rate == 1):
        np.testing.assert_array_equal(success, np.arange(5) < 2)


@pytest.mark.parametrize(
    ("factor", "success"), [(0.9, True), (1.0, True), (1.01, False), (2.0, False)]
)
@pytest.mark.parametrize("constraint", [Linf(), L2()], ids=["Linf", "L2"])
def test_an_answer_outside_of_the_radius_is_no_success(constraint, factor, success):
    attack = Further(jfool.FGSM(SHAPE, 2, constraint=constraint), factor)
    epsilon = 0.1 if constraint == Linf() else 0.1 * np.sqrt(60)
    result = run(attack, Brighter(100 / 255 + 0.05), GRAY, epsilon, label=0)
    assert result.prediction[0] == 1
    assert result.success[0] == success
    assert float(result.success_rate[0]) == success
    if factor == 2:
        assert not result.success_uint8[0]


@pytest.mark.parametrize("reference", [{"label": 0}, {"target": 1}], ids=["label", "target"])
@pytest.mark.parametrize(
    ("needed", "success", "success_uint8"),
    [(11.5, True, True), (12.5, True, False), (12.9, False, False)],
)
def test_gray_levels_count_inside_the_radius_only(needed, success, success_uint8, reference):
    """0.05 is 12.75 gray levels: 12 fit in, although 13 are nearer."""
    objective = jfool.LogConfidence() if "target" in reference else jfool.FGSM.objective
    attack = jfool.FGSM(SHAPE, 2, objective=objective)
    result = run(attack, Brighter((100 + needed) / 255), GRAY, 0.05, **reference)
    np.testing.assert_allclose(result.distances["linf"], 0.05, rtol=1e-6)
    assert result.success[0] == success
    assert result.success_uint8[0] == success_uint8


@pytest.mark.parametrize("hot", [0, 1])
@pytest.mark.parametrize("targeted", [True, False])
def test_a_tie_of_logits_is_no_success(hot, targeted):
    """All that is reached is that both logits are 0."""
    classes = {"target": 1 - hot} if targeted else {"label": hot}
    objective = jfool.LogConfidence() if targeted else jfool.FGSM.objective
    attack = jfool.FGSM(SHAPE, 2, objective=objective)
    images = np.full((1, *SHAPE), 0.6, np.float32)
    result = run(attack, Dead(hot), images, 0.2, num_steps=2, **classes)
    assert result.clean_prediction[0] == hot
    assert np.asarray(result.images).mean() < 0.5
    assert not result.success[0]
    assert not result.success_uint8[0]
    assert not result.stopped[0]
