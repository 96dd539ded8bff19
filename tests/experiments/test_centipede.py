"""The long search for one class: its course, and going on after an end."""

import dataclasses
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
from experiments.kumano2020 import centipede
from experiments.lab import course
from experiments.lab.course import Course, read_course
from experiments.lab.imagenet import ImageNetVictim
from jfool.sweeps import SweepStopped
from tests.experiments.tiny_network import TinyNetwork

SMOKE = dataclasses.replace(centipede.PRESETS["smoke"][1], generations=20)


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """A network with 1 000 classes on 5 x 5 pixels, in place of ImageNet's."""
    network = TinyNetwork((5, 5, 3), 1000)
    network.eval()
    found = ImageNetVictim("squeezenet1_1", network, None, None)
    monkeypatch.setattr(centipede, "imagenet_victim", lambda *args: found)
    return network


def run(out, **changes):
    centipede.main(dataclasses.replace(SMOKE, out=out, **changes))
    return json.loads((out / "section.json").read_text())


def test_the_course_is_the_best_fitness_of_those_generations(network, out):
    data = run(out)["data"]
    result = jfool.run(
        jax.random.key(0, impl="threefry2x32"),
        jfool.SparseFooling(
            (5, 5, 3), 1000, max_k=10, search=jfool.DifferentialEvolution(population_size=8)
        ),
        network,
        jfool.grid(jfool.SparseJob, base=[[0.5] * 3], label=[79], k=10),
        num_steps=20,
        chunk=8,
        history=True,
    )
    history = np.asarray(result.history)[0]
    generations = data["generations"]
    assert generations == sorted(set(generations))
    assert generations[-1] == 20
    assert len(generations) > 3
    np.testing.assert_allclose(data["confidences"], history[generations], rtol=1e-5)


def test_a_stopped_search_goes_on_to_the_same_end(out, monkeypatch):
    whole = run(out.with_name("whole"))
    looks = iter(range(100))
    original = course.at_checkpoint

    def stop(folder):
        if next(looks) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(folder)

    with monkeypatch.context() as patched:
        patched.setattr(course, "at_checkpoint", stop)
        with pytest.raises(SweepStopped):
            run(out)
    assert not (out / "section.json").exists()
    begun = read_course(out / "sweep").generations
    assert begun[-1] < 20
    again = run(out)
    assert again["tables"] == whole["tables"]
    assert tuple(again["data"]["generations"][: len(begun)]) == begun


def test_the_table_sets_the_paper_beside_what_was_measured(out):
    (table,) = run(out)["tables"]
    assert table["paper"] == [[91, None, None, "class 79", 30000, 30001000]]
    assert table["measured"][0][4:] == [20, 8 * 21]
    (other,) = run(out.with_name("other"), label=78)["tables"]
    assert other["paper"] is None
    for name in ("centipede.png", "course.png"):
        assert Image.open(out / name).size[0] > 80


def test_the_table_is_judged_in_float32_whatever_the_search_computed_in(network, out):
    section = run(out, precision="bfloat16")
    results = jfool.read_sweep(out / "sweep")
    images = results.images(jfool.SparseFooling((5, 5, 3), 1000, max_k=10), jfool.SparseJob)
    shown = np.concatenate([images, np.rint(images * 255) / 255]).reshape(2, -1).astype(np.float64)
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    exponentials = np.exp(np.maximum(shown @ inner, 0) @ outer)
    expected = exponentials[:, 79] / exponentials.sum(1)
    (measured,) = section["tables"][0]["measured"]
    assert measured[0] == pytest.approx(100 * expected[0], rel=1e-4)
    assert results.column("confidence")[0] != pytest.approx(expected[0], rel=1e-4)
    assert measured[1] == pytest.approx(100 * expected[1], rel=1e-4)


def test_percent_are_rounded_down_unless_little_would_be_left():
    shown = [centipede._percent(x) for x in (0.9999, 0.1, 0.034, 0.0, math.nan)]
    assert shown == [99, 10, pytest.approx(3.4), 0.0, None]


def test_a_point_that_is_not_later_changes_nothing():
    begun = Course().then(3, 0.1)
    assert begun.then(5, 0.2) == Course((3, 5), (0.1, 0.2))
    assert begun.then(3, 0.5) is begun
    assert begun.then(2, 0.5) is begun


def test_a_damaged_course_is_named(tmp_path):
    (tmp_path / "course.json").write_text("{}")
    with pytest.raises(ValueError, match="expected a course, got KeyError"):
        read_course(tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label": 1000}, "label: expected a class from 0 to 999, got 1000"),
        ({"k": 0}, "k: expected a number of at least 1, got 0"),
        ({"split": 0}, "split: expected a number of at least 1, got 0"),
        ({"precision": "half"}, "precision: expected float32 or bfloat16, got 'half'"),
        ({"network": "mlp"}, "network: expected one of"),
        ({"k": 1025}, "k: expected at most the 1024 pixels of an image, got 1025"),
        ({"class_names": Path("none")}, "class_names: expected class names at none, got no such"),
    ],
)
def test_what_cannot_work_is_refused(changes, sentence, out):
    with pytest.raises(ValueError, match=sentence):
        run(out, **changes)
    assert not out.exists()
