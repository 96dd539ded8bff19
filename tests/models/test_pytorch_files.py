"""Files of `torch.save` are read as PyTorch reads them, and nothing in them is ever run."""

import gzip
import io
import os
import pickle
import pickletools
import zipfile
from collections import Counter, OrderedDict, defaultdict

import jax.numpy as jnp
import numpy as np
import pytest

from models.pytorch_pickle import read_pickle
from models.pytorch_tensors import Unknown
from models.weight_files import read_weights
from tests.models.pytorch_writer import Global, Object, Storage, Tensor, older, zipped

FORMATS = pytest.mark.parametrize("write", [zipped, older])
VALUES = np.arange(1, 25, dtype=np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def read(path, content):
    path.write_bytes(content)
    return read_weights(path)


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"^path: expected weights .*, got .*weights\.pth"
    ) as caught:
        read_weights(path)
    assert len(str(caught.value)) <= 300
    return str(caught.value)


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "dtype",
    [np.float64, np.float32, np.float16, jnp.bfloat16, np.int64, np.int8, bool, np.complex64],
)
def test_tensors_come_back_bit_by_bit(path, write, protocol, dtype):
    written = {"a": VALUES.astype(dtype).reshape(2, 3, 4), "b": np.array(2).astype(dtype)}
    found = read(path, write(written, protocol))
    for name, tensor in written.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


@FORMATS
def test_views_share_a_storage_and_may_be_transposed_spread_or_repeated(path, write):
    storage = Storage(VALUES)
    tensors = {
        "transposed": (Tensor(storage, 0, (4, 6), (1, 4)), VALUES.reshape(6, 4).T),
        "every third": (Tensor(storage, 2, (5,), (3,)), VALUES[2:17:3]),
        "repeated": (Tensor(storage, 1, (3, 2), (0, 1)), np.tile(VALUES[1:3], (3, 1))),
        "empty": (Tensor(storage, 0, (0, 5), (5, 1)), np.zeros((0, 5))),
        "last": (Tensor(storage, 23, (), ()), VALUES[23]),
    }
    found = read(path, write({name: tensor for name, (tensor, _) in tensors.items()}))
    for name, (_, expected) in tensors.items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.float64, np.int8])
def test_archives_of_big_endian_machines_are_turned(path, dtype):
    found = read(path, zipped({"a": VALUES.astype(dtype)}, order="big"))
    np.testing.assert_array_equal(found["a"], VALUES.astype(dtype))
    assert read(path, zipped({"a": VALUES}, order=None))["a"][3] == 4
    assert "unknown byte order" in refused(path, zipped({"a": VALUES}, order="middle"))


@FORMATS
def test_parameters_subclasses_and_untyped_storages_are_tensors(path, write):
    plain, rebuild = (
        Tensor(Storage(VALUES), 0, (24,), (1,)),
        Global("torch._utils", "_rebuild_tensor_v2"),
    )
    arguments = (plain.storage, 0, (24,), (1,), False, OrderedDict())
    untyped = Storage(VALUES.view(np.uint8), Global("torch.storage", "UntypedStorage"))
    more = (False, OrderedDict(), Global("torch", "float32"))
    tensors = {
        "old": Tensor(plain.storage, 0, (24,), (1,), "_rebuild_tensor", ()),
        "parameter": Object(
            Global("torch._utils", "_rebuild_parameter"), (plain, True, OrderedDict())
        ),
        "subclass": Object(
            Global("torch._tensor", "_rebuild_from_type_v2"),
            (rebuild, Global("my.code", "Tensor"), arguments, {"a": 1}),
        ),
        "untyped": Tensor(untyped, 0, (24,), (1,), "_rebuild_tensor_v3", more),
    }
    for name, tensor in read(path, write(tensors)).items():
        assert tensor.dtype == np.float32, name
        np.testing.assert_array_equal(tensor, VALUES, err_msg=name)


@FORMATS
def test_what_checkpoints_hold_beside_tensors_is_inert(path, write):
    namespace = Object(Global("argparse", "Namespace"), (), {"lr": 0.1})
    beside = {
        "epoch": 3,
        "loss": [0.5, None, True],
        "numpy": np.float64(3),
        "options": namespace,
        "size": Object(Global("torch", "Size"), ((1, 2),)),
        "history": defaultdict(list, {1: [2]}),
        "counts": Counter("aab"),
        "classes": {"cat", "dog"},
        "module": os.path.join,
        "a": VALUES,
    }
    found = read(path, write(beside))
    np.testing.assert_array_equal(found.pop("a"), VALUES)
    assert (found["epoch"], found["loss"], found["size"]) == (3, [0.5, None, True], (1, 2))
    assert found["history"] == {1: [2]}
    assert found["counts"] == {"a": 2, "b": 1}
    assert isinstance(found["options"], Unknown)
    assert (found["options"].name, found["options"].state) == ("argparse.Namespace", {"lr": 0.1})
    assert isinstance(found["module"], Unknown)
    assert isinstance(found["classes"], Unknown)


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@FORMATS
@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_not_run_and_the_tensors_beside_it_are_read(path, tmp_path, write, protocol):
    bomb = Bomb(tmp_path / "ran")
    pickle.loads(pickle.dumps(bomb))
    bomb.folder.rmdir()  # it works where a pickle is read
    found = read(path, write({"bomb": bomb, "a": VALUES}, protocol))
    np.testing.assert_array_equal(found["a"], VALUES)
    assert not bomb.folder.exists()


def test_the_state_of_one_file_does_not_reach_another(path):
    evil = Object(Global("torch._utils", "_rebuild_parameter"), (VALUES,), {"__defaults__": (1,)})
    read(path, zipped([evil, Object(Global("torch", "Size"), ((1,),), {"a": 1})]))
    again = Object(Global("torch._utils", "_rebuild_parameter"), (VALUES, True, OrderedDict()))
    np.testing.assert_array_equal(read(path, zipped({"a": again}))["a"], VALUES)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        [None, True, False, 0, -1, 255, 65536, 2**31, 2**70, 1.5, "text", "ü\n", b"bytes", ()],
        ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {"a": {"b": [1]}}),
        [[1, 2], [1, 2]] * 3,
        {f"{i}": i for i in range(2000)},
        OrderedDict(a=1, b=2),
    ],
)
def test_plain_values_are_those_of_pickle(value, protocol):
    text = pickle.dumps(value, protocol)
    if protocol < 3:  # bytes are calls of codecs.encode there
        value = [v for v in value if v != b"bytes"] if isinstance(value, list) else value
        text = pickle.dumps(value, protocol)
    assert read_pickle(io.BytesIO(text)) == pickle.loads(text)
    assert read_pickle(io.BytesIO(pickletools.optimize(text))) == pickle.loads(text)


def test_pairs_become_a_dictionary_once():
    """A short pickle cannot ask for many copies of a long list."""
    pairs = b"\x80\x02]q\x00X\x01\x00\x00\x00aK\x01\x86a0"
    call = b"ccollections\nOrderedDict\nh\x00\x85R"
    assert read_pickle(io.BytesIO(pairs + 2 * call + b"\x86.")) == ({"a": 1}, {})


SHORT = Storage(VALUES)
REACHING = {
    "past the end": Tensor(SHORT, 0, (25,), (1,)),
    "past the end by offset": Tensor(SHORT, 1, (24,), (1,)),
    "past the end by stride": Tensor(SHORT, 0, (13,), (2,)),
    "before the start": Tensor(SHORT, -1, (2,), (1,)),
    "backwards": Tensor(SHORT, 5, (2,), (-1,)),
    "of negative size": Tensor(SHORT, 0, (-2, -2), (1, 1)),
    "of fewer strides": Tensor(SHORT, 0, (2, 2), (1,)),
    "of many axes": Tensor(SHORT, 0, (1,) * 40, (1,) * 40),
    "of huge size": Tensor(SHORT, 0, (2**62,), (0,)),
    "of huge product": Tensor(SHORT, 0, (2**30, 2**30), (0, 0)),
    "of words": Tensor(SHORT, 0, ("a",), (1,)),
    "of fractions": Tensor(SHORT, 0, (2.0,), (1,)),
    "of truths": Tensor(SHORT, 0, (True,), (1,)),
    "of no storage": Object(Global("torch._utils", "_rebuild_tensor_v2"), (1, 0, (1,), (1,))),
    "of few arguments": Object(Global("torch._utils", "_rebuild_tensor_v2"), (SHORT, 0)),
    "of a storage that is shorter": Tensor(Storage(VALUES, size=10), 0, (5,), (1,)),
    "of a storage that is longer": Tensor(Storage(VALUES, size=25), 0, (25,), (1,)),
    "of a storage that is enormous": Tensor(Storage(VALUES, size=2**50), 0, (25,), (1,)),
    "of a storage of negative size": Tensor(Storage(VALUES, size=-1), 0, (1,), (1,)),
}


@FORMATS
@pytest.mark.parametrize("case", REACHING)
def test_tensors_outside_their_storage_are_refused(path, write, case):
    refused(path, write({"a": REACHING[case]}))


def test_values_that_a_file_cannot_hold_are_given_no_memory(path):
    enormous = Tensor(Storage(VALUES, size=2**33), 0, (25,), (1,))
    assert "fewer values than its tensors have" in refused(path, older({"a": enormous}))


@FORMATS
@pytest.mark.parametrize("function", ["_rebuild_sparse_tensor", "_rebuild_qtensor", "_rebuild_new"])
def test_tensors_that_are_not_plain_are_unknown_and_their_storages_named(path, write, function):
    tensor = Object(Global("torch._utils", function), (VALUES,))
    found = read(path, write({"a": tensor, "b": VALUES}))
    assert found["a"].name == f"torch._utils.{function}"
    np.testing.assert_array_equal(found["b"], VALUES)
    kind = Storage(VALUES, Global("torch", "QInt8Storage"))
    message = refused(path, write({"a": Tensor(kind, 0, (24,), (1,))}))
    assert "tensors of torch.QInt8Storage (save float32" in message


def rezipped(content, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), **options)
    return stream.getvalue()


def overlapping():
    """Eight entries that are all the same bytes of the file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(10_000))
        entry = archive.getinfo("archive/data/0")
        for number in range(8):
            again = zipfile.ZipInfo(f"archive/data/{number + 1}")
            again.CRC, again.header_offset = entry.CRC, entry.header_offset
            again.file_size = again.compress_size = entry.file_size
            archive.filelist.append(again)
            archive._didModify = True
    return stream.getvalue()


def twice():
    stream = io.BytesIO(zipped({"a": VALUES}))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("archive/data/0", bytes(96))
    return stream.getvalue()


def numpy_archive():
    stream = io.BytesIO()
    np.savez(stream, a=VALUES)
    return stream.getvalue()


GOOD = zipped({"a": VALUES})
OLD, KEYS = older({"a": VALUES}), pickle.dumps(["0"], 2)
ARCHIVES = {
    "bomb": (rezipped(GOOD, compress_type=zipfile.ZIP_DEFLATED), "compressed (save it again)"),
    "overlapping": (overlapping(), "entries overlap (get it again)"),
    "script": (zipped({}, **{"archive/constants.pkl": b""}), "TorchScript"),
    "code": (zipped({}, **{"archive/code/a.py": b""}), "TorchScript"),
    "npz": (numpy_archive(), "a NumPy .npz"),
    "other": (zipped({}).replace(b"data.pkl", b"data.txt"), "torch.save did not write"),
    "two": (zipped({}, **{"b/data.pkl": b""}), "torch.save did not write"),
    "empty": (b"PK\x05\x06" + bytes(18), "torch.save did not write"),
    "flipped": (GOOD.replace(VALUES.tobytes(), VALUES[::-1].tobytes()), "damaged: Bad CRC-32"),
    "truncated": (GOOD[:-30], "damaged"),
    "no storage": (GOOD.replace(b"data/0", b"data/x"), "damaged"),
    "pickle": (pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
    "old truncated": (older({"a": VALUES})[:-4], "damaged"),
    "old of other storages": (OLD.replace(KEYS, KEYS.replace(b"0", b"7")), "other storages"),
    "gzip": (gzip.compress(GOOD), "packed with gzip (unpack it first)"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARCHIVES)
def test_other_archives_and_damaged_ones_are_named(path, case):
    content, sentence = ARCHIVES[case]
    assert sentence in refused(path, content)


def test_an_entry_that_is_there_twice_is_refused(path):
    assert "entries overlap" in refused(path, twice())


def nested(depth):
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


HOSTILE = {
    "deep lists": nested(200_000),
    "deep tuples": b"\x80\x02)" + b"\x85" * 200_000 + b".",
    "deep tuples as a key": b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",
    "a list in itself": b"\x80\x02]q\x00h\x00ah\x00h\x00es.",
    "a text that claims to be long": b"\x80\x04\x8d" + (2**62).to_bytes(8, "little") + b"a.",
    "bytes that claim to be long": b"\x80\x02T" + (2**31 - 1).to_bytes(4, "little") + b"a.",
    "a huge number": b"\x80\x02\x8b" + (10**6).to_bytes(4, "little") + b"\x01" * 10**6 + b".",
    "many digits": b"I" + b"9" * 10_000 + b"\n.",
    "many opcodes": b"\x80\x02}" + b"N0" * 2_000_000 + b".",
    "a far place of the memo": b"\x80\x02]r\xff\xff\xff\x7f.",
    "an empty stack": b"\x80\x02" + b"0" * 10 + b".",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent name": b"Pfile\n.",
    "buffers": b"\x80\x05\x97.",
    "no end": b"\x80\x02]",
    "a global of escape codes": b"\x80\x02c\x1b[31m\nred\n)R.",
    "many copies": b"\x80\x02}q\x00" + b"ccollections\nOrderedDict\nh\x00\x85R" * 10**5 + b".",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles_end_soon_in_a_sentence(path, case):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", HOSTILE[case])
    path.write_bytes(stream.getvalue())
    try:
        read_weights(path)
    except ValueError as error:
        text = str(error)
        assert len(text) <= 300
        assert text.isprintable()
    else:
        assert case in {"deep lists", "deep tuples", "deep tuples as a key", "a list in itself",
                        "a huge number", "a global of escape codes", "many copies",
                        "a far place of the memo"}  # fmt: skip


class TestBesidePyTorch:
    """Only where PyTorch is installed."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch", reason="PyTorch is not installed")

    @pytest.mark.parametrize("new", [True, False])
    def test_what_it_saves_is_read_as_it_loads_it(self, torch, path, new):
        state = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3)).state_dict()
        saved = {"state_dict": state, "half": torch.ones(3).half(), "turned": torch.ones(2, 3).T}
        torch.save(saved, path, _use_new_zipfile_serialization=new)
        found = read_weights(path)
        expected = torch.load(path, weights_only=True)
        for name, tensor in expected["state_dict"].items():
            np.testing.assert_array_equal(found["state_dict"][name], tensor.numpy())
        for name in ("half", "turned"):
            np.testing.assert_array_equal(found[name], expected[name].numpy())

    @pytest.mark.parametrize("write", [zipped, older])
    def test_what_the_writer_here_saves_it_loads(self, torch, path, write):
        path.write_bytes(write({"a": VALUES.reshape(4, 6)}))
        np.testing.assert_array_equal(torch.load(path)["a"].numpy(), VALUES.reshape(4, 6))
