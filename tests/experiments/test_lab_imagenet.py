"""Networks with ImageNet's classes as victims, and what the classes are called."""

import json

import numpy as np
import pytest

import models
from experiments.lab.imagenet import as_victim, imagenet_names, imagenet_victim, title_of


def test_a_network_is_untrained_or_has_the_weights_of_its_file(tmp_path):
    untrained = imagenet_victim("squeezenet1_1", 32)
    assert title_of("squeezenet1_1") == "squeezenet1_1, UNTRAINED"
    assert "is UNTRAINED" in untrained.note
    path = tmp_path / "some.safetensors"
    models.save(untrained.model, path)
    loaded = imagenet_victim(f"squeezenet1_1={path}", 32)
    assert title_of(f"squeezenet1_1={path}") == "squeezenet1_1"
    assert loaded.card["weights"] == "some.safetensors"
    assert len(loaded.card["sha256"]) == 64
    assert loaded.card["sha256"] in loaded.note
    np.testing.assert_array_equal(loaded.model.conv10.bias[...], untrained.model.conv10.bias[...])
    assert (loaded.image_shape, loaded.num_classes) == ((32, 32, 3), 1000)
    assert str(tmp_path) not in loaded.note


def test_a_network_that_is_there_says_where_its_weights_come_from():
    model = models.create("squeezenet1_1", (32, 32, 3))
    assert "is UNTRAINED" in as_victim("squeezenet1_1", model).note
    loaded = as_victim("squeezenet1_1", model, "w.safetensors", "0" * 64)
    assert loaded.note == f"squeezenet1_1 has the weights of w.safetensors (SHA-256 {'0' * 64})."


def test_class_names_are_numbers_or_the_files(tmp_path):
    assert imagenet_names(None)[79] == "class 79"
    path = tmp_path / "names.json"
    path.write_text(json.dumps([f"thing_{i}" for i in range(1000)]))
    assert imagenet_names(path)[3] == "thing 3"
    path.write_text('["one"]')
    with pytest.raises(ValueError, match="class_names: expected 1000 names, got 1"):
        imagenet_names(path)
