"""Turns one after another: the same as each turn by itself."""

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from tests.jfool.helpers import NUM_CLASSES, SHAPE, photos, relu, step_keys

NET = relu(scale=2.0)
IMAGES = photos(6, seed=4)
LABELS = np.array([NET.by_hand(image)[0].argmax() for image in IMAGES])
TARGETS = (LABELS[:, None] + np.arange(1, NUM_CLASSES)) % NUM_CLASSES
NUM_STEPS = 5
PART = jfool.APGD(SHAPE, NUM_CLASSES, objective=jfool.TargetLogitRatio(), num_steps=NUM_STEPS)
TURNS = jfool.InTurn(PART, 3, NUM_STEPS)
EPSILON = np.array([0.01, 0.03, 0.05, 0.07, 0.1, 0.15], np.float32)


def test_a_run_is_each_turn_with_its_target_until_one_fools():
    jobs = jfool.PerturbationJob(IMAGES, EPSILON, LABELS, TARGETS)
    total = TURNS.num_calls
    assert total == 3 * (NUM_STEPS + 1)
    result = jfool.run(
        jax.random.key(3), TURNS, NET, jobs, num_steps=total - 1, until=jfool.misclassified()
    )
    data, ended = jax.random.key_data(step_keys(6, total)), []
    step = jax.jit(lambda key, job, state: PART.step(key, jfool.Evaluate(NET), job, state)[0])
    for i in range(6):

        def key_of(call: int, i: int = i) -> jax.Array:
            return jax.random.wrap_key_data(data[call, i])

        fooled, calls, fittest, state = False, 0, (-np.inf, None), None
        while calls < total and not fooled:
            turn, within = divmod(calls, NUM_STEPS + 1)
            job = jfool.PerturbationJob(
                *map(jnp.asarray, (IMAGES[i], EPSILON[i], LABELS[i], TARGETS[i, turn]))
            )
            if within == 0:
                key = key_of(0) if turn == 0 else jax.random.split(key_of(calls + 1))[0]
                state = PART.init(key, job)
            calls += 1
            state = step(jax.random.split(key_of(calls))[1], job, state)
            best = PART.best(job, state)
            fooled = int(np.argmax(best.logits)) != LABELS[i]
            if fooled or best.fitness > fittest[0]:
                fittest = (float(best.fitness), np.asarray(best.image))
        np.testing.assert_allclose(result.images[i], fittest[1], atol=1e-6)
        assert result.num_gradients[i] == calls
        assert result.success[i] == fooled
        ended.append((calls - 1) // (NUM_STEPS + 1) if fooled else 3)
    assert len({*ended}) >= 2
    assert 3 in ended
