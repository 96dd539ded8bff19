"""The long search for one class: its course, and going on after an interruption."""

import json
import math
import os
import signal
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import jfool
from experiments import lab
from experiments.kumano2020 import centipede
from experiments.kumano2020.centipede import (
    EXPERIMENT,
    PAPER,
    Settings,
    in_float32,
    percent,
    tables,
)
from experiments.lab import course
from experiments.lab.course import read_course
from experiments.lab.imagenet import as_victim
from jfool.sweeps import SweepStopped
from tests.experiments.helpers import run
from tests.experiments.tiny_network import TinyNetwork

COMMAND = "kumano2020 centipede"
SHAPE = (5, 5, 3)


@pytest.fixture(scope="module")
def network(module_patch):
    """A network with 1 000 classes on 5 x 5 pixels, in place of ImageNet's."""
    network = TinyNetwork(SHAPE, 1000)
    network.eval()
    module_patch.setattr(
        centipede, "imagenet_victim", lambda *args: as_victim("squeezenet1_1", network)
    )
    return network


@pytest.fixture(scope="module")
def done(network, tmp_path_factory):
    """The folder and the section of 20 generations."""
    out = tmp_path_factory.mktemp("centipede")
    return out, run(EXPERIMENT, COMMAND, out, generations=20)


def test_the_course_is_the_best_fitness_of_those_generations(network, done):
    out, _ = done
    search = jfool.DifferentialEvolution(population_size=8)
    result = jfool.run(
        jax.random.key(0, impl="threefry2x32"),
        jfool.SparseFooling(SHAPE, 1000, max_k=10, search=search),
        network,
        jfool.grid(jfool.SparseJob, base=[[0.5] * 3], target=[79], k=10),
        num_steps=20,
        chunk=8,
        history=True,
    )
    history = np.asarray(result.history.fitness)[0]
    shown = lab.Records.read(out / "course.parquet")
    assert len(shown) > 3
    assert (np.diff(shown["generation"]) > 0).all()
    assert shown["generation"][-1] == 20
    np.testing.assert_allclose(shown["confidence"], history[shown["generation"]], rtol=1e-5)


def test_an_interrupted_search_goes_on_to_the_same_end(done, out, monkeypatch):
    looks = iter(range(100))
    original = course.at_checkpoint

    def stop(folder):
        if next(looks) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(folder)

    with monkeypatch.context() as patched:
        patched.setattr(course, "at_checkpoint", stop)
        with pytest.raises(SweepStopped):
            run(EXPERIMENT, COMMAND, out, generations=20)
    assert not (out / "section.json").exists()
    begun = read_course(out / "sweep")
    assert max(begun) < 20
    assert run(EXPERIMENT, COMMAND, out, generations=20).tables == done[1].tables
    shown = lab.Records.read(out / "course.parquet")
    assert begun.items() <= dict(shown.columns("generation", "confidence")).items()


def test_the_paper_stands_beside_what_was_measured(done):
    out, section = done
    (table,) = section.tables
    assert PAPER == 91
    assert table.paper == [[91, None, None, "class 79", 30000, 30001000]]
    assert table.measured[0][4:] == [20, 8 * 21]
    assert section.title == "A 10-SFI for class 79 through squeezenet1_1, UNTRAINED"
    assert section.source == "Kumano et al. (2020), figure 1"
    assert "is UNTRAINED" in section.notes[0]
    for picture in section.pictures:
        assert Image.open(out / picture.file).size[0] > 80
    found = {"search": lab.Records.read(out / "search.parquet")}
    (other,) = tables(lab.changed(Settings(), target=78), found)
    assert (other.rows, other.paper) == (["class 78"], None)


def expected(network, images):
    """Confidences in double precision."""
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    flat = images.reshape(len(images), -1).astype(np.float64)
    exponentials = np.exp(np.maximum(flat @ inner, 0) @ outer)
    return exponentials / exponentials.sum(1, keepdims=True)


def test_the_table_is_judged_in_float32_whatever_the_search_computed_in(network, out):
    (table,) = run(EXPERIMENT, COMMAND, out, generations=20, precision="bfloat16").tables
    results = jfool.read_sweep(out / "sweep")
    images = results.images(jfool.SparseFooling(SHAPE, 1000, max_k=10), jfool.SparseJob)
    plain, rounded, alone = expected(
        network, np.concatenate([images, np.rint(images * 255) / 255, np.full_like(images, 0.5)])
    )
    measured = table.measured[0]
    for cell, confidences in zip(measured, (plain, rounded, alone), strict=False):
        assert cell == pytest.approx(100 * confidences[79], rel=1e-4)
    assert measured[3] == f"class {plain.argmax()}"
    assert results.column("confidence")[0] != pytest.approx(plain[79], rel=1e-4)


def test_a_network_without_numbers_predicts_nothing(network):
    broken = TinyNetwork(SHAPE, 1000)
    broken.outer[...] = broken.outer[...] * np.nan
    image = np.full((1, *SHAPE), 0.5, np.float32)
    columns = {name: [0] for name in ("num_steps", "num_queries", "plain")}
    found = in_float32(lab.Records.of(image=image, target=[79], **columns), broken)
    assert found["prediction"].tolist() == [-1]
    assert not found["fooled"][0]
    (table,) = tables(Settings(), {"search": found})
    assert table.measured[0][:4] == [None, None, 0, "NaN"]


def test_percent_are_rounded_down_unless_little_would_be_left():
    shown = [percent(x) for x in (0.9999, 0.1, 0.034, 0.0, math.nan)]
    assert shown == [99, 10, pytest.approx(3.4), 0.0, None]


def test_a_damaged_course_is_named(tmp_path):
    (tmp_path / "course.json").write_text("[]")
    with pytest.raises(
        ValueError, match=r"expected a course, got .* \(it is no record\); delete it"
    ):
        read_course(tmp_path)


def test_names_and_weights_are_told_without_their_folders(tmp_path):
    path, names = tmp_path / "w.safetensors", tmp_path / "names.json"
    names.write_text(json.dumps([f"thing_{i}" for i in range(1000)]))
    s = lab.changed(Settings(), network=f"resnet50={path}", class_names=names)
    assert EXPERIMENT.title(s) == "A 10-SFI for thing 79 through resnet50"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"target": 1000}, "target: expected a class from 0 to 999, got 1000"),
        ({"k": 0}, "k: expected a number of at least 1, got 0"),
        ({"split": 0}, "split: expected a number of at least 1, got 0"),
        ({"population": 3}, "population: expected a number of at least 4, got 3"),
        ({"side": 8}, "side: expected at least 32 pixels, got 8"),
        ({"checkpoint_seconds": math.nan}, "checkpoint_seconds: expected a time of at least 0"),
        ({"precision": "half"}, "precision: expected one of float32, bfloat16, got 'half'"),
        ({"network": "mlp"}, "network: expected one of"),
        ({"k": 1025}, "k: expected at most the 1024 pixels of an image, got 1025"),
        ({"class_names": Path("none")}, "class_names: expected class names at none, got no such"),
    ],
)
def test_what_cannot_work_is_refused(changes, sentence, out):
    with pytest.raises(ValueError, match=sentence):
        run(EXPERIMENT, COMMAND, out, **changes)
    assert not out.exists()
