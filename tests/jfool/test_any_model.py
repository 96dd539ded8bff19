"""Whatever a model returns and is shown: attacks work, or say in a sentence why not."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jfool
from jfool.base import pytree, static
from tests.jfool.helpers import unchecked

NUM_CLASSES = 3
FLOATS = ("float32", "bfloat16", "float16")
DTYPES = (*FLOATS, "int32", "uint8", "bool")


@pytree
class Shaped:
    """Returns an array whose axes depend on those of its images, by name: B, K, one, H, C."""

    weights: Any
    axes: tuple[str, ...] = static()
    dtype: str = static(default="float32")

    def __call__(self, images: jax.Array) -> jax.Array:
        batch, height, _, channels = images.shape
        sizes = {"B": batch, "K": NUM_CLASSES, "one": 1, "H": height, "C": channels}
        shape = tuple(sizes[axis] for axis in self.axes)
        total = (images.mean() * self.weights).sum()
        ramp = jnp.arange(int(np.prod(shape)), dtype=jnp.float32)
        return (total + ramp.reshape(shape)).astype(self.dtype)


def attacked(entry: str, model: Any, images: np.ndarray, chunk: int | None) -> Any:
    count, *shape = images.shape
    jobs = jfool.PerturbationJob(images, np.full(count, 0.1, np.float32), np.zeros(count, int))
    lead = jax.random.key(0), jfool.FGSM(tuple(shape), NUM_CLASSES), model, jobs
    if entry == "perturb":
        return jfool.perturb(*lead, num_steps=1)
    if entry == "sweep":
        return jfool.sweep(*lead, num_steps=0, chunk=chunk, lanes=count)
    return jfool.run(*lead, num_steps=0, chunk=chunk)


def is_right(axes: tuple[str, ...], dtype: str, batch: int, shape: tuple[int, ...]) -> bool:
    """By hand, and by sizes: a batch of three images looks like three classes."""
    sizes = {"B": batch, "K": NUM_CLASSES, "one": 1, "H": shape[0], "C": shape[2]}
    return [sizes[axis] for axis in axes] == [batch, NUM_CLASSES] and dtype in FLOATS


WRONG = st.lists(st.sampled_from(["B", "K", "one", "H", "C"]), max_size=4).map(tuple)


@pytest.mark.parametrize("entry", ["run", "sweep", "perturb"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_is_no_logits_is_refused_in_a_sentence_before_it_is_compiled(entry, data):
    axes, dtype = data.draw(WRONG), data.draw(st.sampled_from(DTYPES))
    batch, shape = data.draw(st.integers(1, 4)), data.draw(st.tuples(*[st.integers(1, 4)] * 3))
    if is_right(axes, dtype, batch, shape):
        return
    images = np.full((batch, *shape), 0.5, np.float32)
    with unchecked(), pytest.raises((TypeError, ValueError), match=r"^model: expected ") as caught:
        attacked(entry, Shaped(np.ones(3, np.float32), axes, dtype), images, None)
    assert len(str(caught.value)) <= 300
    assert "got " in str(caught.value)


@pytest.mark.parametrize("entry", ["run", "sweep"])
@settings(max_examples=6, deadline=None, derandomize=True)
@given(data=st.data())
def test_logits_of_any_precision_are_judged_at_any_size_of_images_and_calls(entry, data):
    """The logits of a ramp, K of them: the last class always wins."""
    dtype, batch = data.draw(st.sampled_from(FLOATS)), data.draw(st.integers(1, 4))
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 3])))
    chunk = data.draw(st.sampled_from([None, 1, 3]))

    model = jfool.wrap(ramp, jnp.asarray([0.0, 1.0, 2.0], dtype))
    images = np.full((batch, *shape), 0.5, np.float32)
    with unchecked(), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = attacked(entry, model, images, chunk)
    predictions = found.column("prediction") if entry == "sweep" else found.prediction
    np.testing.assert_array_equal(predictions, np.full(batch, 2))


def ramp(weights: jax.Array, images: jax.Array) -> jax.Array:
    return images.mean((1, 2, 3)).astype(weights.dtype)[:, None] * weights[None]
