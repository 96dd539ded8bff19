"""The bare attack: the images of `run`, wherever it is traced."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    Tally,
    Traced,
    photos,
    unchecked,
    weights,
)
from tests.jfool.test_gradient_sign import KEY, NET, ON_NET, jobs, run


def test_perturb_gives_the_last_images_of_run_wherever_it_is_traced():
    attack = jfool.PGD(SHAPE, NUM_CLASSES, step_size=0.03)
    wanted = run(attack, NET, ON_NET, 4).images

    def images(key, model, jobs):
        return jfool.perturb(key, attack, model, jobs, num_steps=4)

    key, given = jax.random.key(KEY), jax.tree.map(jnp.asarray, ON_NET)
    with unchecked():
        np.testing.assert_allclose(images(jax.random.clone(key), NET, given), wanted, atol=1e-6)
        compiled = jax.jit(images)(jax.random.clone(key), NET, given)
        np.testing.assert_allclose(compiled, wanted, atol=1e-6)

        def step(_, key):
            return None, images(key, NET, given)

        keys = jnp.stack([jax.random.key(KEY), jax.random.key(8)])
        scanned = jax.jit(lambda keys: jax.lax.scan(step, None, keys)[1])(jax.random.clone(keys))
        side_by_side = jax.jit(jax.vmap(images, (0, None, None)))(keys, NET, given)
    np.testing.assert_allclose(scanned[0], wanted, atol=1e-6)
    np.testing.assert_allclose(side_by_side, scanned, rtol=0, atol=1e-6)
    assert (scanned[1] != scanned[0]).any()


@pytest.mark.parametrize("bare", [True, False], ids=["perturb", "run"])
def test_one_trace_serves_new_numbers(bare):
    tally = Tally()

    def attacked(epsilon, step_size, mu, seed):
        attack = jfool.MIFGSM(SHAPE, 2, momentum=mu, relative_step_size=step_size)
        model = Traced(Linear(jnp.asarray(weights(seed, SHAPE, 2))), tally)
        on_two = jax.tree.map(jnp.asarray, jobs(photos(3, seed), epsilon, label=np.zeros(3, int)))
        return one(jax.random.key(seed), attack, model, on_two)

    def plain(key, attack, model, on_two):
        if bare:
            return jfool.perturb(key, attack, model, on_two, num_steps=2)
        return jfool.run(key, attack, model, on_two, num_steps=2).images

    one = jax.jit(plain) if bare else plain
    first = attacked(0.1, 0.5, 1.0, 0)
    assert tally.traces > 0
    tally.forget()
    second = attacked(0.2, np.float32(0.3), 0.5, 1)
    assert tally.traces == 0
    assert (first != second).any()


@pytree
class Keyed:
    """A model with a key among its leaves, as a module with dropout has one."""

    model: Any
    key: Any

    def __call__(self, images):
        return self.model(images)


def test_a_model_may_have_keys_among_its_leaves():
    model = Keyed(Linear(jnp.asarray(weights())), jax.random.key(3))
    epsilon, labels = jnp.full(3, 0.1, jnp.float32), jnp.arange(3)
    three = jfool.PerturbationJob(jnp.asarray(photos(3)), epsilon, labels)
    attack = jfool.PGD(SHAPE, NUM_CLASSES, random_start=False)
    found = jfool.perturb(jax.random.key(0), attack, model, three, num_steps=2)
    again = jfool.perturb(jax.random.key(0), attack, model, three, num_steps=2)
    np.testing.assert_array_equal(found, again)
    plain = jfool.perturb(jax.random.key(0), attack, model.model, three, num_steps=2)
    np.testing.assert_allclose(found, plain, atol=1e-6)
