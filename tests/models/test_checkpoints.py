"""Weights are found in what people have: checkpoints, wrapped models, parts, files of any name."""

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
from collections import OrderedDict

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from models import MLP, Network, load, restore
from models import save as save_weights
from models.layers import norm
from models.zoo import ARCHITECTURES, Architecture
from tests.models.pytorch_writer import Global, Object, older, zipped


class Tiny(Network):
    """Two layers and statistics."""

    layers = ("out",)

    def __init__(self, image_shape=(2, 2, 1), num_classes=3, *, rngs):
        self.image_shape, self.num_classes = image_shape, num_classes
        self.fc = nnx.Linear(4, 5, rngs=rngs)
        self.bn = norm(5, rngs)
        self.out = nnx.Linear(5, num_classes, rngs=rngs)


SHAPES = {
    "fc.weight": (5, 4),
    "fc.bias": (5,),
    "bn.weight": (5,),
    "bn.bias": (5,),
    "bn.running_mean": (5,),
    "bn.running_var": (5,),
    "out.weight": (3, 5),
    "out.bias": (3,),
}
WEIGHTS = {
    name: np.random.default_rng(number).uniform(0.5, 1, shape).astype(np.float32)
    for number, (name, shape) in enumerate(SHAPES.items())
}
COUNTER = {"bn.num_batches_tracked": np.array(7)}
FORMATS = pytest.mark.parametrize("write", [zipped, older])


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Known by name."""
    monkeypatch.setitem(ARCHITECTURES, "tiny", Architecture(Tiny, (2, 2, 1), 3, "made up"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights"


def found(path):
    """The weights of a loaded network, in the layout of the file."""
    model = load("tiny", path)
    return {
        "fc.weight": model.fc.kernel[...].T,
        "fc.bias": model.fc.bias[...],
        "bn.weight": model.bn.scale[...],
        "bn.bias": model.bn.bias[...],
        "bn.running_mean": model.bn.mean[...],
        "bn.running_var": model.bn.var[...],
        "out.weight": model.out.kernel[...].T,
        "out.bias": model.out.bias[...],
    }


def loads(path, weights=WEIGHTS, rtol=0.0):
    for name, tensor in found(path).items():
        assert tensor.dtype == np.float32
        np.testing.assert_allclose(tensor, np.asarray(weights[name], np.float32), rtol=rtol)


def refused(path, model="tiny", **options):
    with pytest.raises(ValueError, match=r"^path: expected ") as caught:
        load(model, path, **options)
    text = str(caught.value)
    assert len(text) <= 300
    assert text.isprintable()
    assert text.endswith(")")  # says what to do
    return text


def under(prefix, weights=WEIGHTS):
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


def module(name, parameters=(), buffers=(), **children):
    """A pickled `torch.nn.Module`."""
    named = [{n: WEIGHTS[f"{name}.{n}"] for n in names} for names in (parameters, buffers)]
    state = {"training": True, "_parameters": OrderedDict(named[0]), "_buffers": named[1]}
    return Object(Global("my.nets", "Net"), (), state | {"_modules": OrderedDict(children)})


BOTH = ("weight", "bias")
WHOLE = module(
    "",
    fc=module("fc", BOTH),
    bn=module("bn", BOTH, ("running_mean", "running_var")),
    out=module("out", BOTH),
)
PARAMETERS = {
    name: Object(Global("torch._utils", "_rebuild_parameter"), (tensor, True, OrderedDict()))
    for name, tensor in WEIGHTS.items()
}
TWICE = {name: 2 * tensor for name, tensor in WEIGHTS.items()}
OPTIMIZER = {
    "state": {0: {"exp_avg": WEIGHTS["fc.weight"], "step": np.array(3.0)}},
    "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99), "params": [0, 1]}],
}
BESIDE = {
    "epoch": 12,
    "best_acc1": np.float64(0.9),
    "loss": np.array(0.5, np.float32),  # a tensor without axes
    "args": Object(Global("argparse", "Namespace"), (), {"lr": 0.1, "state_dict": "a"}),
    "optimizer": OPTIMIZER,
    "scheduler": {"step_size": 30, "_last_lr": [0.1]},
    "classes": ["cat", "dog"],
}
SPARSE = Object(Global("torch._utils", "_rebuild_sparse_tensor"), (1, (2, 3)))
CHECKPOINTS = {
    "a sparse tensor in the optimizer": {"model": WEIGHTS, "optimizer": {"state": {0: SPARSE}}},
    "bare": WEIGHTS,
    "ordered": OrderedDict(WEIGHTS),
    "with a counter": WEIGHTS | COUNTER,
    "parameters": PARAMETERS,
    **{
        key: {**BESIDE, key: WEIGHTS}
        for key in ("state_dict", "model", "net", "model_state_dict", "ema", "weights", "my own")
    },
    "twice nested": {"model": {"state_dict": WEIGHTS, "config": {"depth": 2}}, **BESIDE},
    "thrice nested": {"checkpoint": {"model": {"state_dict": WEIGHTS}}},
    "a whole module": WHOLE,
    "a whole module beside": {"model": WHOLE, "epoch": 1},
    "a wrapped module": module("", module=WHOLE),
    "averaged beside": {"state_dict_ema": TWICE, "state_dict": WEIGHTS},
    "averaged inside": {"model": {"ema": TWICE, "net": WEIGHTS}},
    "another network beside": {"generator": WEIGHTS, "critic": {"fc.weight": np.zeros((9, 9))}},
    "the same twice": {"model": WEIGHTS, "state_dict": WEIGHTS},
    "of AveragedModel": {"n_averaged": np.array(3), **under("module.")},
    **{
        f"names begin with {prefix}": under(prefix, WEIGHTS | COUNTER)
        for prefix in (
            "module.",
            "_orig_mod.",
            "model.",
            "module._orig_mod.",
            "_orig_mod.module.",
            "module.module.",
            "_fsdp_wrapped_module.",
            "model._fsdp_wrapped_module._checkpoint_wrapped_module.",
            "model.net.backbone.",
        )
    },
    "nested with prefixes": {"state_dict": under("module.model.")},
    "a part was wrapped": {k.replace("fc.", "fc.module."): v for k, v in WEIGHTS.items()},
    "parts were compiled": {k.replace(".", "._orig_mod."): v for k, v in WEIGHTS.items()},
    "all and a part": {f"module.{k.replace('bn.', 'bn.module.')}": v for k, v in WEIGHTS.items()},
}


@FORMATS
@pytest.mark.parametrize("case", CHECKPOINTS)
def test_weights_are_found_in_checkpoints(path, write, case):
    path.write_bytes(write(CHECKPOINTS[case]))
    loads(path)


@FORMATS
@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.float64])
def test_every_precision_becomes_float32(path, write, dtype):
    path.write_bytes(write({name: tensor.astype(dtype) for name, tensor in WEIGHTS.items()}))
    loads(path, rtol=1e-2)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.module."])
def test_prefixes_are_dropped_from_safetensors_and_from_our_own_layout(path, prefix):
    save_file(under(prefix, WEIGHTS | COUNTER), path)
    loads(path)
    own = Tiny(rngs=nnx.Rngs(0))
    save_weights(own, path.with_suffix(".safetensors"))
    from safetensors.numpy import load_file

    save_file(under(prefix, load_file(path.with_suffix(".safetensors"))), path)
    np.testing.assert_array_equal(found(path)["out.weight"], own.out.kernel[...].T)


def test_two_sets_that_fit_are_both_named(path):
    path.write_bytes(zipped({"student": WEIGHTS, "teacher": TWICE}))
    assert "2 that fit: student, teacher (save the one" in refused(path)


def test_a_moving_average_is_taken_if_it_is_alone(path):
    path.write_bytes(zipped({"ema": TWICE, "epoch": 1}))
    loads(path, TWICE)


@pytest.mark.parametrize(
    "name",
    ["a.pth", "a.pt", "a.th", "A.TH", "a.t7", "a.bin", "a.ckpt", "a.pth.tar", "a", "a.safetensors"],
)
@pytest.mark.parametrize("write", [zipped, older, save])
def test_names_of_files_do_not_matter(tmp_path, name, write):
    (tmp_path / name).write_bytes(write(WEIGHTS))
    loads(tmp_path / name)


def tar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"))
    return stream.getvalue()


def array():
    stream = io.BytesIO()
    np.save(stream, WEIGHTS["fc.weight"])
    return stream.getvalue()


def header(**tensors):
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + bytes(64)


def of_dtype(dtype, size):
    entry = {"dtype": dtype, "shape": [64 // size], "data_offsets": [0, 64]}
    return header(**{"fc.weight": entry})


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
OTHERS = {
    "empty": (b"", "an empty file (get it again)"),
    "pointer": (POINTER, "a Git LFS pointer, not the weights (run git lfs pull)"),
    "page": (b"\n<!DOCTYPE html><html>", "a web page"),
    "page in capitals": (b"<HTML><HEAD>", "a web page"),
    "page with a mark": (b"\xef\xbb\xbf<html>", "a web page"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied", "a web page or XML"),
    "tar": (tar(), "a tar archive (unpack it first)"),
    "gzip": (gzip.compress(save(WEIGHTS)), "packed with gzip (unpack it first)"),
    "bzip2": (bz2.compress(save(WEIGHTS)), "packed with bzip2"),
    "xz": (lzma.compress(save(WEIGHTS)), "packed with xz"),
    "array": (array(), "a NumPy array"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 file"),
    "json": (b'{"epoch": 3}', "a JSON without a weight_map"),
    "list": (b"[1, 2]", "a JSON without a weight_map"),
    "broken json": (b'{"weight_map": ', "damaged"),
    "deep json": (b"[" * 100_000, "damaged"),
    "text": (b"these are not weights, but a sentence", "of an unknown format"),
    "noise": (bytes(range(1, 250)), "of an unknown format"),
    "float8": (of_dtype("F8_E4M3", 1), "tensors of F8_E4M3, as fc.weight (save them as float32)"),
    "float8 of five bits": (of_dtype("F8_E5M2", 1), "tensors of F8_E5M2"),
    "scales": (of_dtype("F8_E8M0", 1), "tensors of F8_E8M0"),
    "unknown dtype": (of_dtype("F12", 1), "damaged"),
    "no shape": (header(**{"fc.weight": {"dtype": "F32"}}), "damaged"),
    "list of tensors": (zipped(list(WEIGHTS.values())), "without one (save the state_dict()"),
    "one tensor": (zipped(WEIGHTS["fc.weight"]), "without one (save the state_dict()"),
    "numbers as names": (zipped(dict(enumerate(WEIGHTS.values()))), "without one (save"),
    "numbers as names, older": (older(dict(enumerate(WEIGHTS.values()))), "without one (save"),
    "no tensors": (zipped({"epoch": 3}), "without one (save the state_dict()"),
    "NumPy": (zipped({"fc.weight": np.float64(3)}), "without one (save the state_dict()"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_files_that_are_no_weights_are_told_what_they_are(path, case):
    content, sentence = OTHERS[case]
    path.write_bytes(content)
    assert sentence in refused(path)


def test_a_folder_and_a_file_that_may_not_be_read_are_refused(path, monkeypatch):
    path.mkdir()
    assert "a folder (give the file of weights in it)" in refused(path)
    path.rmdir()
    path.write_bytes(save(WEIGHTS))

    def forbidden(*_, **__):
        raise PermissionError("no")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    assert "not readable (allow it with chmod)" in refused(path)


@FORMATS
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool, np.complex64])
def test_weights_that_are_not_floating_point_are_refused_in_every_format(path, write, dtype):
    path.write_bytes(write({name: tensor.astype(dtype) for name, tensor in WEIGHTS.items()}))
    kind = np.dtype(dtype).name
    assert f"bn.bias is {kind}, not a float and 7 more alike (save them as" in refused(path)
    save_file({name: tensor.astype(dtype) for name, tensor in WEIGHTS.items()}, path)
    assert f"bn.bias is {kind}, not a float and 7 more alike (save them as" in refused(path)


def without(*prefixes):
    return {name: t for name, t in WEIGHTS.items() if not name.startswith(prefixes)}


HEAD = {"out.weight": np.ones((7, 5), np.float32), "out.bias": np.ones(7, np.float32)}
MISFITS = {
    "of a loss beside": (
        under("model.", WEIGHTS | COUNTER) | {"criterion.weight": HEAD["out.bias"]},
        "all 8 are there under model., beside criterion.weight (save those of model. alone)",
    ),
    "of metrics and constants beside": (
        under("net.body.") | {"metric.sum": HEAD["out.bias"], "normalize.mean": HEAD["out.bias"]},
        "all 8 are there under net.body., beside metric.sum and 1 more (save those of net.body. ",
    ),
    "nothing but a counter": (COUNTER, "8 missing, such as bn.bias (check"),
    "a layer missing": (without("bn"), "4 missing, all of bn (check network"),
    "one missing": (without("out.bias"), "1 missing, out.bias (check"),
    "a layer more": (WEIGHTS | under("head.", HEAD), "2 extra, all of head.out ("),
    "other names": (
        {f"layer{i}.conv": HEAD["out.bias"] for i in range(9)},
        "no name of 9 is expected, such as layer0.conv, where bn.bias is one of 8",
    ),
    "others of one part": (
        {f"net.layer{i}.conv": HEAD["out.bias"] for i in range(9)},
        "no name of 9 is expected, all of net, where bn.bias is one of 8",
    ),
    "other classes": (WEIGHTS | HEAD, "out has num_classes 7, not 3 (give num_classes=7)"),
    "another width": (
        WEIGHTS | {"fc.weight": np.ones((5, 9), np.float32)},
        "fc.weight is [5, 9], not [5, 4] (check network, image_shape, num_classes)",
    ),
    "another rank": (
        WEIGHTS | {"out.weight": np.ones((3, 5, 1, 1), np.float32)},
        "out.weight is [3, 5, 1, 1], not [3, 5] (check",
    ),
    "escape codes": (WEIGHTS | {"\x1b[31m\n": HEAD["out.bias"]}, r"1 extra, \x1b[31m\n (check"),
    "long names": (WEIGHTS | under("a" * 5000, HEAD), "2 extra, all of ...aaaa"),
}  # fmt: skip


@pytest.mark.parametrize("write", [zipped, save])
@pytest.mark.parametrize("case", MISFITS)
def test_misfits_are_told_by_what_they_have_in_common(path, write, case):
    weights, sentence = MISFITS[case]
    path.write_bytes(write(weights))
    message = refused(path)
    assert message.startswith("path: expected weights that fit tiny, got ")
    assert sentence in message
    long = path.with_name("x" * 200)
    path.rename(long)
    assert "..." in refused(long)


def test_weights_beside_an_optimizer_that_do_not_fit_are_compared_and_not_the_optimizer(path):
    path.write_bytes(zipped({**BESIDE, "model": without("out.bias")}))
    assert "1 missing, out.bias" in refused(path)


class TestParts:
    """Weights in several files with an index."""

    @pytest.fixture
    def index(self, tmp_path):
        names = list(WEIGHTS)
        parts = {"model-1.safetensors": names[:3], "model-2.safetensors": names[3:]}
        for part, inside in parts.items():
            save_file({name: WEIGHTS[name] for name in inside}, tmp_path / part)
        self.places = {name: part for part, inside in parts.items() for name in inside}
        return self.write(tmp_path, self.places)

    @staticmethod
    def write(folder, places, **more):
        path = folder / "model.safetensors.index.json"
        path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places, **more}))
        return path

    def test_are_read_by_their_index(self, index):
        loads(index)

    def test_may_be_of_pytorch(self, index):
        for part in set(self.places.values()):
            tensors = {name: WEIGHTS[name] for name, place in self.places.items() if place == part}
            index.with_name(part).write_bytes(zipped(tensors))
        loads(index)

    @pytest.mark.parametrize(
        "part",
        ["../model-1.safetensors", "/etc/passwd", "", "..", ".", "none", "a/b", "a\0b", "\x1b[31m",
         "x" * 5000, "model.safetensors.index.json"],
    )  # fmt: skip
    def test_must_lie_beside_it(self, index, part):
        self.write(index.parent, self.places | {"fc.weight": part})
        refused(index)

    @pytest.mark.parametrize("places", [None, [], {"a": 1}, {"a": None}, {"a": ["b"]}, {}])
    def test_must_be_named_by_texts(self, index, places):
        self.write(index.parent, places)
        refused(index)

    def test_must_contain_what_the_index_says(self, index):
        save_file({"fc.weight": WEIGHTS["fc.weight"]}, index.with_name("model-1.safetensors"))
        assert "an index of tensors that model-1.safetensors does not have" in refused(index)

    def test_alone_are_told_what_is_missing(self, index):
        part = index.with_name("model-1.safetensors")
        assert "5 missing" in refused(part)
        part = part.rename(index.with_name("model-00001-of-00002.safetensors"))
        assert "one of them (give the index beside it" in refused(part)


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save_weights(Tiny(rngs=nnx.Rngs(0)), "~/nets/tiny.safetensors", {"model": "tiny"})
    assert (tmp_path / "nets" / "tiny.safetensors").is_file()
    load("tiny", "~/nets/tiny.safetensors")
    with pytest.raises(ValueError, match=r"^path: expected a path that can exist, got '~nobody-"):
        load("tiny", "~nobody-of-this-name/tiny.safetensors")


DTYPES = [np.float32, np.float16, np.float64, jnp.bfloat16, np.int8, np.int64, bool]
WIDTHS = {"fc1": (3, 16), "fc2": (3, 3), "fc3": (2, 3)}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_weights_of_any_shapes_and_dtypes_load_if_they_fit_and_else_are_refused(data, tmp_path):
    """One tensor is of a drawn dtype and shape."""
    name = data.draw(st.sampled_from(sorted(WIDTHS)))
    right = WIDTHS[name]
    dtype = data.draw(st.sampled_from(DTYPES))
    other = st.lists(st.integers(0, 4), max_size=4).map(tuple)
    shape = data.draw(st.one_of(st.just(right), other))
    write = data.draw(st.sampled_from([zipped, older, save]))
    weights = {f"{k}.weight": np.ones(v, np.float32) for k, v in WIDTHS.items()}
    weights |= {f"{k}.bias": np.ones(v[0], np.float32) for k, v in WIDTHS.items()}
    weights[f"{name}.weight"] = np.full(shape, 2).astype(dtype)
    path = tmp_path / "weights"
    path.write_bytes(write(weights))

    model = MLP((4, 4, 1), 2, widths=(3, 3), rngs=nnx.Rngs(0))
    before = np.asarray(getattr(model, name).kernel[...])
    if shape == right and np.dtype(dtype).kind not in "bi":
        restore(model, path)
        np.testing.assert_array_equal(getattr(model, name).kernel[...], np.full(right[::-1], 2))
    else:
        with pytest.raises(ValueError, match=f"^path: expected .* {name}.weight is ") as caught:
            restore(model, path)
        assert len(str(caught.value)) <= 300
        np.testing.assert_array_equal(getattr(model, name).kernel[...], before)
