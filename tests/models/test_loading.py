"""Files in PyTorch's layout find their places; whatever is wrong with one is said in a sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from models import Network, create, load, read_card, restore, save
from models.layers import conv, flat_linear, norm
from models.network import flatten
from models.slots import pytorch_slots


class Small(Network):
    """One of each layer that the two layouts write differently."""

    layers = ("conv", "fc", "out")

    def __init__(self, image_shape=(6, 5, 3), num_classes=4, *, rngs):
        self.image_shape, self.num_classes = image_shape, num_classes
        self.conv = conv(3, 2, 3, rngs=rngs)
        self.bn = norm(2, rngs)
        self.fc = flat_linear((4, 3, 2), 5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(5, num_classes, rngs=rngs)

    def walk(self, images):
        x = nnx.relu(self.bn(self.conv(images)))
        yield "conv", x
        x = nnx.relu(self.fc(x))
        yield "fc", x
        yield "out", self.out(self.dropout(x))

    def published_name(self, module):
        return {"out": "classifier.1"}.get(module, f"features.{module}")


SHAPES = {
    "features.conv.weight": (2, 3, 3, 3),
    "features.conv.bias": (2,),
    "features.bn.weight": (2,),
    "features.bn.bias": (2,),
    "features.bn.running_mean": (2,),
    "features.bn.running_var": (2,),
    "features.fc.weight": (5, 24),
    "features.fc.bias": (5,),
    "classifier.1.weight": (4, 5),
    "classifier.1.bias": (4,),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Known by name."""
    from models.zoo import ARCHITECTURES, Architecture

    monkeypatch.setitem(ARCHITECTURES, "small", Architecture(Small, (6, 5, 3), 4, "made up"))


@pytest.fixture
def tensors():
    random = np.random.default_rng(0)
    values = {name: random.uniform(0.1, 1, shape) for name, shape in SHAPES.items()}
    return {name: value.astype(np.float32) for name, value in values.items()}


@pytest.fixture
def path(tensors, tmp_path):
    """A good file in PyTorch's layout."""
    counter = {"features.bn.num_batches_tracked": np.array(7)}
    save_file(tensors | counter, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def restated(tensors, images):
    """PyTorch's arithmetic, channels first."""
    t = {name: value.astype(np.float64) for name, value in tensors.items()}
    x = images.transpose(0, 3, 1, 2)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    x = np.einsum("bchwij,dcij->bdhw", windows, t["features.conv.weight"])
    x += t["features.conv.bias"][:, None, None]
    mean, var = t["features.bn.running_mean"], t["features.bn.running_var"]
    x = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    x = x * t["features.bn.weight"][:, None, None] + t["features.bn.bias"][:, None, None]
    x = np.maximum(x, 0).reshape(len(x), -1)
    x = np.maximum(x @ t["features.fc.weight"].T + t["features.fc.bias"], 0)
    return x @ t["classifier.1.weight"].T + t["classifier.1.bias"]


IMAGES = np.random.default_rng(1).uniform(size=(3, 6, 5, 3)).astype(np.float32)


def test_a_pytorch_file_computes_what_pytorch_would(path, tensors):
    model = load("small", path)
    np.testing.assert_allclose(model(IMAGES), restated(tensors, IMAGES), rtol=1e-4)


def test_it_comes_in_evaluation_mode_and_can_be_trained_on(path):
    model = load("small", str(path))
    assert model.dropout.deterministic
    assert model.bn.use_running_average
    jax.jit(lambda model, images: model(images))(model, IMAGES)
    model.train()
    assert not np.array_equal(model(IMAGES), model(IMAGES))  # dropout draws


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_in_a_file_becomes_float32(path, tensors, dtype):
    save_file({name: value.astype(dtype) for name, value in tensors.items()}, path)
    model = load("small", path)
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {
        jnp.dtype("float32")
    }
    np.testing.assert_allclose(model(IMAGES), restated(tensors, IMAGES), rtol=2e-2)


def test_our_own_files_load_by_name_too(path, tmp_path):
    model = load("small", path)
    save(model, tmp_path / "own.safetensors")
    np.testing.assert_array_equal(
        load("small", tmp_path / "own.safetensors")(IMAGES), model(IMAGES)
    )


def refuses(path, sentence, named=None):
    """`load` refuses, by the sentence `named` if one is given, and `restore` leaves a module as it
    was."""
    model = Small(rngs=nnx.Rngs(0))
    before = jax.tree.leaves(nnx.state(model, nnx.Param))
    with pytest.raises(ValueError, match=sentence):
        restore(model, path)
    for old, new in zip(before, jax.tree.leaves(nnx.state(model, nnx.Param)), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match=named or sentence) as caught:
        load("small", path)
    return str(caught.value)


def test_every_misfit_is_named_as_the_file_names_it(path, tensors):
    tensors["classifier.1.weight"] = tensors["classifier.1.weight"].T.copy()
    tensors["features.conv.weight"] = tensors["features.conv.weight"].transpose(2, 3, 1, 0).copy()
    tensors["features.extra"] = np.zeros(2, np.float32)
    tensors["features.bn.bias"] = np.zeros(2, bool)
    del tensors["features.fc.bias"]
    save_file(tensors, path)
    message = refuses(path, "weights that fit Small, got ", "weights that fit small, got ")
    assert (
        "1 missing, features.fc.bias; 1 extra, features.extra; features.conv.weight is " in message
    )
    assert "features.conv.weight is [3, 3, 3, 2], not [2, 3, 3, 3] and 1 more alike" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(path, tensors, value):
    tensors["features.fc.weight"][3, 7] = value
    save_file(tensors, path)
    refuses(path, "path: expected finite weights, got NaN or infinity in features.fc.weight")


def test_half_precision_that_overflowed_is_refused(path, tensors):
    tensors["features.fc.weight"] = np.full((5, 24), np.inf, np.float16)
    save_file(tensors, path)
    refuses(path, "NaN or infinity")


def test_another_architecture_is_refused_at_once(path):
    sentence = r"fit lenet, got .*: none of 10 names is expected, such as .*another architecture\?"
    with pytest.raises(ValueError, match=sentence):
        load("lenet", path)
    sentence = r": classifier.1 has 4 classes, not 7 \(give num_classes=4\)$"
    with pytest.raises(ValueError, match=sentence):
        load("small", path, num_classes=7)


def test_a_missing_file_and_an_unknown_name_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected weights at .*none\.safetensors"):
        load("small", tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r"name: expected one of .*, got 'tiny'"):
        load("tiny", tmp_path / "none.safetensors")


def test_slots_are_the_shapes_of_pytorchs_state_dict():
    model = nnx.eval_shape(lambda: create("small"))
    assert {name: slot.shape for name, slot in pytorch_slots(model).items()} == SHAPES


def test_flatten_of_the_two_layouts_differs():
    """Why a kernel on a whole activation has to be turned."""
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    assert not np.array_equal(flatten(x), flatten(x.transpose(0, 3, 1, 2)))


def test_negative_variances_are_refused(path, tensors):
    tensors["features.bn.running_var"][0] = -1
    save_file(tensors, path)
    refuses(path, "expected variances of at least 0, got less in features.bn.running_var")


@pytest.mark.parametrize("name", ["small.json", "small.pth", "small"])
def test_weights_are_saved_as_safetensors_alone(path, tmp_path, name):
    with pytest.raises(ValueError, match=r"path: expected a file ending in \.safetensors, got"):
        save(load("small", path), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_card_that_is_not_json_leaves_the_weights_and_the_card_as_they_were(path, tmp_path):
    model, own = load("small", path), tmp_path / "own.safetensors"
    save(model, own, {"a": 1})
    before = own.read_bytes()
    with pytest.raises(ValueError, match="card: expected JSON types"):
        save(model, own, {"a": np.float32(1)})
    assert own.read_bytes() == before
    assert read_card(own) == {"a": 1}


def test_capsules_loaded_or_made_meet_one_trace(tmp_path):
    options = {"image_shape": (17, 17, 1), "num_classes": 2}
    made = create("capsnet", **options)
    made.eval()
    save(made, tmp_path / "capsnet.safetensors")
    loaded = load("capsnet", tmp_path / "capsnet.safetensors", **options)
    types = [jax.tree.map(jax.typeof, nnx.state(model, nnx.Param)) for model in (made, loaded)]
    assert jax.tree.leaves(types[0]) == jax.tree.leaves(types[1])
