"""The experiment end to end on a tiny model, and what it refuses."""

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image

from experiments import demo, sfi
from experiments.lab import record
from models import datasets

SMALL = sfi.Config(k=2, population=8, generations=4, repeats=2, lanes=4, until=None)


def run(out, **changes):
    sfi.main(dataclasses.replace(SMALL, out=out, **changes))
    return json.loads((out / record.RESULTS).read_text())


@pytest.mark.usefixtures("tiny")
def test_the_last_line_the_file_and_the_arrays_agree(out, capsys):
    results = run(out, classes=(0, 2), colors=("black", "0.3"))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["figures"] == results["figures"]
    assert line["settings"] == results["settings"]
    figures, rows = results["figures"], results["rows"]
    for i, base in enumerate(["black", "0.3"]):
        for j, label in enumerate([0, 2]):
            cell = [r["confidence"] for r in rows if (r["base"], r["label"]) == (base, label)]
            assert len(cell) == 2
            assert figures["best"][i][j] == max(cell)
            assert figures["mean"][i][j] == pytest.approx(sum(cell) / 2)
    assert figures["num_searches"] == len(rows) == 8
    assert figures["num_success"] == sum(row["success"] for row in rows)
    assert figures["num_queries"] == sum(row["num_queries"] for row in rows) == 8 * 8 * 5
    with np.load(out / record.IMAGES) as arrays:
        assert arrays["images"].shape == (8, 6, 6, 1)
        assert arrays["genotypes"].shape == (8, 2, 3)
        assert arrays["job_ids"].tolist() == [row["job_id"] for row in rows]
        changed = (arrays["images"][:4] != 0).sum(axis=(1, 2, 3))
        assert (changed <= 2).all()
    assert Image.open(out / record.GALLERY).size[0] > 300


@pytest.mark.usefixtures("tiny")
def test_the_same_settings_give_the_same_rows_and_others_are_refused(out):
    first = run(out)
    again = run(out, lanes=3)
    assert again["rows"] == first["rows"]
    with pytest.raises(ValueError, match="results of other settings"):
        run(out, seed=1)
    assert run(out, seed=1, overwrite=True)["rows"] != first["rows"]


@pytest.mark.usefixtures("tiny")
def test_hopeless_cells_are_searched_again_and_reported_apart(out, monkeypatch, capsys):
    monkeypatch.setattr(sfi, "RETRY_BELOW", 0.5)
    results = run(out, retry_log_confidence=True)
    by_objective = {}
    for row in results["rows"]:
        by_objective.setdefault(row["objective"], []).append(row)
    best = np.array(results["figures"]["best"])
    hopeless = int((best < 0.5).sum())
    assert 0 < hopeless < 12
    assert len(by_objective["log_confidence"]) == 2 * hopeless
    retried = results["figures"]["retried_log_confidence"]
    assert retried["cells"] == hopeless
    shown = np.array([[math.nan if x is None else x for x in line] for line in retried["best"]])
    np.testing.assert_array_equal(np.isnan(shown), best >= 0.5)
    # The same draws for another objective of the same order: the tables prove they are not mixed.
    assert max(r["confidence"] for r in by_objective["confidence"]) == best.max()
    assert "log-confidence" in capsys.readouterr().out


@pytest.mark.usefixtures("tiny")
def test_the_demo_replaces_an_earlier_demo_but_nothing_else(out, tmp_path):
    small = demo.Config(out=out, k=2, population=8, generations=2)
    demo.main(small)
    demo.main(dataclasses.replace(small, seed=1))
    results = json.loads((out / record.RESULTS).read_text())
    assert results["experiment"] == "demo"
    assert results["figures"]["num_searches"] == 12
    run(tmp_path / "other")
    with pytest.raises(ValueError, match="results of other settings"):
        demo.main(dataclasses.replace(small, out=tmp_path / "other"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "imagenet"}, "dataset: expected one of digits, .*got 'imagenet'"),
        ({"model": "vgg"}, "model: expected one of lenet, .*got 'vgg'"),
        ({"objective": "logit"}, "objective: expected one of confidence, .*got 'logit'"),
        ({"boundary": "bounce"}, "boundary: expected one of clip, .*got 'bounce'"),
        ({"colors": ("pink",)}, "colors: expected black"),
        ({"colors": ()}, "colors: expected at least one"),
        ({"classes": ()}, "classes: expected at least one, got none"),
        ({"classes": (1, 1)}, "classes: expected different ones, got 1 1"),
        ({"classes": (-1,)}, "classes: expected numbers of at least 0, got -1"),
        ({"k": 0}, "k: expected a number of at least 1, got 0"),
        ({"repeats": 0}, "repeats: expected"),
        ({"lanes": 0}, "lanes: expected"),
        ({"chunk": 0}, "chunk: expected"),
        ({"population": 3}, "population: expected a number of at least 4, got 3"),
        ({"generations": -1}, "generations: expected"),
        ({"seed": -1}, "seed: expected"),
        ({"until": 1.5}, r"until: expected a confidence in \(0, 1\] or None, got 1.5"),
        ({"until": math.nan}, "until: expected"),
        ({"stop_at_success": True}, "stop_at_success: expected a confidence as --until"),
        ({"objective": "margin", "retry_log_confidence": True}, "retry_log_confidence: expected"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_read(out, changes, message):
    with pytest.raises(ValueError, match=message):
        run(out, **changes)
    assert not out.exists()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": (0, 4)}, "classes: expected numbers from 0 to 3, got 4"),
        ({"k": 37}, "k: expected at most the 36 pixels, got 37"),
        ({"colors": ("red",)}, "digits has grey images, got 'red'"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused_before_training(
    out, monkeypatch, changes, message
):
    monkeypatch.setattr(sfi.models, "trained", lambda *args, **kwargs: pytest.fail("trained"))
    with pytest.raises(ValueError, match=message):
        run(out, **changes)


def test_a_missing_data_set_says_what_to_do(out, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert "mnist" in datasets.DATASETS
    with pytest.raises(FileNotFoundError, match=r"mnist is not prepared .*TFDS_DATA_DIR"):
        run(out, dataset="mnist")
