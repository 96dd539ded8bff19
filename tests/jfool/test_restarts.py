"""Several starts of one attack."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from jfool.base import pytree, static
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    assert_same,
)
from tests.jfool.test_gradient_sign import NET, ON_NET, run


@pytree
class OneStart:
    """The restart of one number alone."""

    attack: Any
    number: Any
    num_restarts: int = static()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.attack, name)

    def init(self, key, job):
        return self.attack.init(jax.random.split(key, self.num_restarts)[self.number], job)


def test_of_several_starts_the_fittest_answer_counts_and_all_images():
    attack = jfool.PGD(SHAPE, NUM_CLASSES, step_size=0.02)
    options = {"num_steps": 2, "keep": "fittest", "history": True}
    union = run(jfool.Restarts(attack, 3), NET, ON_NET, **options)
    alone = [run(OneStart(attack, i, 3), NET, ON_NET, **options) for i in range(3)]
    fitness = np.stack([each.history.fitness[:, -1] for each in alone])
    best = fitness.argmax(0)
    assert len(set(best)) > 1
    images = np.stack([each.images for each in alone])
    np.testing.assert_allclose(union.images, images[best, np.arange(5)], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(union.num_gradients, 3 * 3)
    success = np.stack([each.success for each in alone])
    assert (np.asarray(union.success) >= success.any(0)).all()


def test_one_restart_from_the_image_is_the_attack_itself():
    attack = jfool.PGD(SHAPE, NUM_CLASSES, random_start=False)
    one = run(jfool.Restarts(attack, 1), NET, ON_NET, 2, keep="fittest")
    plain = run(attack, NET, ON_NET, 2, keep="fittest")
    assert_same(one, plain)


def test_the_last_image_is_that_of_the_start_that_showed_the_fittest():
    attack = jfool.Restarts(jfool.FGSM(SHAPE, NUM_CLASSES), 2)
    given = jax.tree.map(jnp.asarray, ON_NET)
    images = jfool.perturb(jax.random.key(0), attack, NET, given, num_steps=1)
    alone = jfool.perturb(jax.random.key(0), attack.attack, NET, given, num_steps=1)
    np.testing.assert_allclose(images, alone, atol=1e-6)
    assert (np.asarray(images) != np.asarray(given.image)).any()
