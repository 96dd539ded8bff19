"""Damaged files of weights: loaded whole, or refused in a sentence with the module as it was.

`JFOOL_FUZZ_CASES=200` tries two hundred times as many, 60 000.
"""

import io
import json
import struct
import zipfile

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save

from models import MLP, restore
from tests.fuzz import Outcomes, cases, json_mutations, mutations
from tests.models.pytorch_writer import older, zipped

SHAPES = {"fc1": (3, 16), "fc2": (3, 3), "fc3": (2, 3)}
WEIGHTS = {
    f"{layer}.{kind}": np.random.default_rng(seed).normal(size=size).astype(np.float32)
    for seed, (layer, shape) in enumerate(SHAPES.items())
    for kind, size in (("weight", shape), ("bias", shape[:1]))
}
CHECKPOINT = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in WEIGHTS.items()}}
HEADER = 8


def of_header(count, seed):
    """Safetensors whose header is JSON, but says something else."""
    whole = save(WEIGHTS)
    end = HEADER + int.from_bytes(whole[:HEADER], "little")
    for damage, text in json_mutations(json.loads(whole[HEADER:end]), count, seed):
        yield damage, struct.pack("<Q", len(text)) + text + whole[end:]


def of_pickle(count, seed):
    """Archives whose checksums are right, with a damaged pickle."""
    whole = zipped(CHECKPOINT)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    for damage, text in mutations(entries["archive/data.pkl"], count, seed):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in (entries | {"archive/data.pkl": text}).items():
                archive.writestr(name, content)
        yield damage, stream.getvalue()


# Whether checksums guard the values.
DAMAGES = {
    "safetensors": (lambda *a: mutations(save(WEIGHTS), *a), False),
    "header": (of_header, False),
    "archive": (lambda *a: mutations(zipped(CHECKPOINT), *a), True),
    "pickle": (of_pickle, False),
    "older": (lambda *a: mutations(older(CHECKPOINT), *a), False),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_weights_are_loaded_whole_or_refused(kind, tmp_path):
    damages, guarded = DAMAGES[kind]
    path, outcomes = tmp_path / "weights", Outcomes()
    model = MLP((4, 4, 1), 2, widths=(3, 3), rngs=nnx.Rngs(0))
    rng = np.random.default_rng(0)

    def weights():
        layers = {layer: getattr(model, layer) for layer in SHAPES}
        return {
            f"{name}.weight": np.asarray(layer.kernel[...]).T for name, layer in layers.items()
        } | {f"{name}.bias": np.asarray(layer.bias[...]) for name, layer in layers.items()}

    def read():
        restore(model, path)
        return weights()

    def same(found):
        shapes = {name: tensor.shape for name, tensor in found.items()}
        finite = all(np.isfinite(tensor).all() for tensor in found.values())
        equal = all(np.array_equal(found[name], tensor) for name, tensor in WEIGHTS.items())
        whole = finite and shapes == {name: tensor.shape for name, tensor in WEIGHTS.items()}
        return whole and (equal or not guarded)

    for damage, content in damages(cases(60), 0):
        path.write_bytes(content)
        model.fc3.bias.set_value(jax.numpy.asarray(rng.normal(size=2), "float32"))
        before, refused = weights(), outcomes.refused
        outcomes.check(damage, read, same)
        if outcomes.refused > refused:
            for name, tensor in weights().items():
                np.testing.assert_array_equal(tensor, before[name], err_msg=damage)
    assert outcomes.refused > 0
