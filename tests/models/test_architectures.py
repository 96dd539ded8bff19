"""What holds for every network by name; shapes alone, no weights are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models import ARCHITECTURES, CNN, in_precision, outline
from models.slots import own_slots, pytorch_slots


def images(model, dtype=jnp.float32):
    return jax.ShapeDtypeStruct((2, *model.image_shape), dtype)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_walk_passes_the_layers_in_order_and_ends_at_the_logits(name):
    model, walked = outline(name), []

    def walk(model, images):
        activations = list(model.walk(images))
        walked.extend(layer for layer, _ in activations)
        return [activation for _, activation in activations]

    activations = nnx.eval_shape(walk, model, images(model))
    assert tuple(walked) == model.layers
    assert len(set(model.layers)) == len(model.layers)
    assert activations[-1].shape == (2, model.num_classes)
    assert (model.image_shape, model.num_classes) == (
        ARCHITECTURES[name].image_shape,
        ARCHITECTURES[name].num_classes,
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_layer_computes_in_the_precision_asked_for_and_comes_in_float32(name):
    model = outline(name)
    model.set_attributes(dtype=jnp.bfloat16)
    walked = nnx.eval_shape(
        lambda model, images: [y for _, y in model.walk(images)], model, images(model, jnp.bfloat16)
    )
    inner = [y.dtype for y in walked[:-1]]
    assert jnp.bfloat16 in inner
    logits = nnx.eval_shape(lambda model, images: model(images), model, images(model))
    assert logits.dtype == jnp.float32


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_no_two_weights_share_a_published_name(name):
    model = outline(name)
    slots = pytorch_slots(model)
    assert sorted(slot.name for slot in slots.values()) == sorted(own_slots(model))


def test_precision_is_a_copy_close_to_the_original():
    model = CNN(rngs=nnx.Rngs(0))
    model.eval()
    pixels = np.random.default_rng(0).uniform(size=(8, 28, 28, 1)).astype(np.float32)
    before = model(pixels)
    half = in_precision(model, jnp.bfloat16)
    rounded = half(pixels)
    assert 0 < abs(rounded - before).max() < 0.05 * abs(before).max()
    np.testing.assert_array_equal(model(pixels), before)
    np.testing.assert_array_equal(in_precision(half, jnp.float32)(pixels), before)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(half, nnx.Param))} == {
        jnp.dtype("float32")
    }


@pytest.mark.parametrize("dtype", [jnp.float16, "int8", "half"])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match="dtype: expected bfloat16 or float32, got"):
        in_precision(CNN(rngs=nnx.Rngs(0)), dtype)
