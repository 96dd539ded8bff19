"""5-SFIs for the classes of ImageNet: which classes, which numbers, which networks."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jfool
from experiments.kumano2020 import imagenet
from experiments.kumano2020.imagenet import EXPERIMENT, classes_reached
from experiments.lab import kinds
from experiments.lab.imagenet import as_victim
from experiments.lab.records import Records
from tests.experiments import helpers
from tests.experiments.tiny_network import TinyNetwork

SHAPE = (5, 5, 3)


@pytest.fixture(scope="module")
def network(module_patch):
    """A network with 1 000 classes on 5 x 5 pixels, in place of ImageNet's."""
    network = TinyNetwork(SHAPE, 1000)
    network.eval()
    victim = as_victim("squeezenet1_1", network)
    module_patch.setattr(imagenet, "imagenet_victim", lambda *args: victim)
    return network


@pytest.fixture(scope="module")
def ran(network, tmp_path_factory):
    """A run's section, and its folder."""
    out = tmp_path_factory.mktemp("imagenet")
    return run(out), out


def run(out, **changes):
    return helpers.run(EXPERIMENT, "kumano2020 imagenet", out, **changes)


def softmax(logits):
    exponentials = np.exp(np.asarray(logits, np.float64))
    return exponentials / exponentials.sum(-1, keepdims=True)


def test_every_hundredth_class_is_searched_for_and_its_confidence_is_the_networks(network, ran):
    _, out = ran
    found = Records.read(out / "searches.parquet")
    assert found["target"].tolist() == list(range(0, 1000, 100))
    results = jfool.read_sweep(out / "sweep")
    attack = jfool.SparseFooling(SHAPE, 1000, max_k=5)
    images = results.images(attack, jfool.SparseJob)
    expected = softmax(network(images))[np.arange(10), results.column("job.target")]
    np.testing.assert_array_equal(results.column("job.target"), found["target"])
    np.testing.assert_allclose(found["confidence"], expected, rtol=1e-4)
    assert (results.column("num_queries") == 8 * 4).all()
    gray = softmax(network(jnp.full((1, *SHAPE), 0.5)))[0, ::100]
    np.testing.assert_allclose(found["plain"], gray, rtol=1e-4)


def test_the_section_has_pictures_and_owns_up_to_an_untrained_network(ran):
    section, out = ran
    assert "UNTRAINED" in section.title
    assert any("drawn at random" in note for note in section.notes)
    assert [picture.file for picture in section.pictures] == ["confidences.png", "best.png"]
    for picture in section.pictures:
        assert Image.open(out / picture.file).size[0] > 300


def test_the_same_command_goes_on_and_another_seed_is_refused(ran):
    section, out = ran
    written = {path: path.stat().st_mtime_ns for path in (out / "sweep").rglob("*.parquet")}
    assert run(out).tables == section.tables
    assert {path: path.stat().st_mtime_ns for path in written} == written
    with pytest.raises(ValueError, match=r"folder: expected the settings .* another key"):
        run(out, seed=1)


def test_the_table_counts_inside_and_outside_the_block():
    found = Records.of(
        target=[150, 151, 287, 288],
        confidence=[0.9, 0.5, 0.1, 0.96],
        fooled=[True, True, False, True],
        plain=[0.1, 0.2, 0.3, 0.4],
    )
    everywhere, inside, outside = classes_reached(found).measured
    assert everywhere[:4] == [4, 50, 75, 75]
    assert everywhere[4:] == pytest.approx([61.5, 70, 25])
    assert inside[:4] == [2, 0, 50, 50]
    assert inside[4:] == pytest.approx([30, 30, 25])
    assert outside[:4] == [2, 100, 100, 100]
    assert outside[4:] == pytest.approx([93, 93, 25])


def test_a_group_without_classes_has_no_figures():
    one = Records.of(target=[7], confidence=[0.5], fooled=[True], plain=[0.5])
    assert classes_reached(one).measured[1] == [0, *[None] * 6]


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"network": "lenet"}, ValueError, "network: expected one of .*resnet50.*, got 'lenet'"),
        ({"network": "resnet50=none"}, FileNotFoundError, "network: expected a file of weights"),
        ({"side": 8}, ValueError, "side: expected .*at least 32.*, got 8"),
        ({"every": 0}, ValueError, "every: expected a number from 1 to 1000, got 0"),
        ({"every": 1001}, ValueError, "every: expected a number from 1 to 1000, got 1001"),
        ({"k": 1025}, ValueError, "k: expected at most the 1024 pixels of an image, got 1025"),
        ({"population": 3}, ValueError, "population: expected a number of at least 4, got 3"),
        ({"color": "pink"}, ValueError, "color: expected black, .*, got 'pink'"),
    ],
)
def test_what_cannot_work_is_refused(changes, error, sentence, out):
    with pytest.raises(error, match=sentence):
        run(out, **changes)
    assert not out.exists()


def test_sections_name_files_without_their_folders(network, out, tmp_path, monkeypatch):
    victim = as_victim("resnet50", network, "w.safetensors", "0" * 64)
    monkeypatch.setattr(imagenet, "imagenet_victim", lambda *args: victim)
    monkeypatch.setattr(kinds, "check_weights", lambda *args: None)  # the file is empty
    path, names = tmp_path / "w.safetensors", tmp_path / "names.json"
    path.touch()
    names.write_text(json.dumps([f"thing_{i}" for i in range(1000)]))
    run(out, network=f"resnet50={path}", class_names=names, side=32)
    text = (out / "section.json").read_text()
    assert str(tmp_path) not in text
    assert "--network resnet50=w.safetensors" in text
