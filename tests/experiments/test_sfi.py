"""Sparse fooling images of any network: what is searched, summed up, drawn and refused."""

import contextlib
import dataclasses
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import jfool
import models
from experiments import demo, lab, sfi
from experiments.lab.section import read_section
from models import datasets

SMALL = lab.changed(sfi.Settings(), k=2, population=8, generations=4, repeats=2, until=None)
COLORS, CLASSES = ("black", "0.3"), (0, 2)
NAMES = ["north", "east", "south", "west"]
pytestmark = pytest.mark.usefixtures("tiny_module")


def run(out: Path, experiment=sfi, **changes):
    usual = SMALL if experiment is sfi else experiment.Settings()
    settings = lab.changed(usual, **changes)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        name = experiment.__name__.rpartition(".")[2]
        experiment.EXPERIMENT.run(name, "", settings, out)
    return SimpleNamespace(
        section=read_section(out)[0],
        rows=pq.read_table(out / "searches.parquet").to_pylist(),
        printed=printed.getvalue(),
        out=out,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory, tiny_module):
    return run(tmp_path_factory.mktemp("sfi"), classes=CLASSES, colors=COLORS)


def test_tables_hold_the_best_and_the_mean_of_each_cell_and_the_color_alone(ran, linear_model):
    best, mean, counts = ran.section.tables
    assert len(ran.rows) == 2 * 2 * 2
    for i, (color, level) in enumerate(zip(COLORS, (0.0, 0.3), strict=True)):
        logits = (level - 0.5) * np.asarray(linear_model.variables, float).sum(0)
        plain = np.exp(logits) / np.exp(logits).sum()
        for j, target in enumerate(CLASSES):
            of = [r for r in ran.rows if (r["color"], r["target"]) == (color, target)]
            found = [r["confidence"] for r in of]
            assert [r["repeat"] for r in of] == [0, 1]
            alone = f"({math.floor(100 * plain[target])})"
            assert best.measured[i][j] == f"{math.floor(100 * max(found))} {alone}"
            assert mean.measured[i][j] == f"{math.floor(100 * np.mean(found))} {alone}"
            assert best.bold[i][j] == (max(found) >= 0.9)
    assert (best.rows, best.columns) == (list(COLORS), ["north", "south"])
    totals = dict(zip(counts.columns, counts.measured[-1], strict=True))
    assert (totals["cells"], totals["searches"]) == (4, 8)
    assert totals["images shown"] == sum(r["num_queries"] for r in ran.rows) == 8 * 8 * 5
    cells = {}
    for row in ran.rows:
        held = cells.setdefault((row["color"], row["target"]), row)
        if row["confidence"] > held["confidence"]:
            cells[row["color"], row["target"]] = row
    assert totals["fooled"] == sum(r["prediction"] == r["target"] for r in cells.values())
    assert totals["at 90 %"] == sum(r["confidence"] >= 0.9 for r in cells.values())


def test_the_last_line_is_json_and_images_alter_few_pixels(ran):
    line = json.loads(ran.printed.splitlines()[-1])
    assert (line["experiment"], line["preset"], line["out"]) == ("sfi", "", str(ran.out))
    results = jfool.read_sweep(ran.out / "searches" / "confidence")
    attack = jfool.SparseFooling((6, 6, 1), 4, max_k=2, search=jfool.DifferentialEvolution(8))
    images = results.images(attack, jfool.SparseJob)
    altered = (images != results.column("job.base")[:, None, None, :]).sum(axis=(1, 2, 3))
    assert (altered <= 2).all()
    assert Image.open(ran.out / "gallery.png").size[0] > 300


def test_the_section_says_how_it_was_made(ran):
    assert ran.section.command == (
        "python -m experiments sfi --k 2 --colors black 0.3 --classes 0 2 --repeats 2 "
        "--population 8 --generations 4 --until None"
    )
    assert ran.section.title == "LeNet on digits: at most 2 pixels altered"
    assert any("75.0 % of 4 test images" in note for note in ran.section.notes)
    assert not any("Settings other than" in note for note in ran.section.notes)


def test_the_same_settings_search_nothing_again_and_others_are_refused(ran):
    parts = {path: path.stat().st_mtime_ns for path in (ran.out / "searches").rglob("*.parquet")}
    again = run(ran.out, classes=CLASSES, colors=COLORS)
    assert (again.section, again.rows) == (ran.section, ran.rows)
    assert {path: path.stat().st_mtime_ns for path in parts} == parts
    with pytest.raises(ValueError, match=r"folder: expected the settings .* another key"):
        run(ran.out, classes=CLASSES, colors=COLORS, seed=1)


@pytest.mark.slow
def test_hopeless_cells_are_searched_again_and_reported_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(sfi, "RETRY_BELOW", 0.5)
    ran = run(tmp_path, retry_log_confidence=True)
    retried = pq.read_table(tmp_path / "retried.parquet").to_pylist()
    best = {}
    for row in ran.rows:
        cell = row["color"], row["target"]
        best[cell] = max(row["confidence"], best.get(cell, 0))
    hopeless = {cell for cell, confidence in best.items() if confidence < 0.5}
    assert 0 < len(hopeless) < 12
    assert {(row["color"], row["target"]) for row in retried} == hopeless
    assert len(retried) == 2 * len(hopeless)
    table = ran.section.tables[-1]
    assert "log-confidence" in table.title
    assert table.title in ran.printed
    shown = {
        (color, NAMES.index(head))
        for color, row in zip(table.rows, table.measured, strict=True)
        for head, cell in zip(table.columns, row, strict=True)
        if cell != "- (-)"
    }
    assert shown == hopeless


def test_no_search_follows_a_success(tmp_path):
    ran = run(tmp_path, repeats=3, stop_at_success=True, until=0.9)
    assert 12 < len(ran.rows) < 36
    cells = {}
    for row in ran.rows:
        cells.setdefault((row["color"], row["target"]), []).append(row)
    assert len(cells) == 12
    for rows in cells.values():
        assert [row["repeat"] for row in rows] == list(range(len(rows)))
        assert not any(row["stopped"] for row in rows[:-1])
        assert rows[-1]["stopped"] or len(rows) == 3


def test_when_all_cells_are_done_nothing_more_is_searched(tmp_path):
    easy = {"colors": ("black",), "classes": (0,), "until": 1e-6, "generations": 200}
    ran = run(tmp_path, repeats=3, stop_at_success=True, **easy)
    assert [row["stopped"] for row in ran.rows] == [True]


@pytest.mark.slow
def test_the_demo_sets_greedy_search_beside_evolution_with_one_budget(tmp_path):
    ran = run(tmp_path, demo, k=2, budget=100, population=8, until=None)
    by_method = {}
    for row in ran.rows:
        by_method.setdefault(row["method"], []).append(row)
    assert [len(rows) for rows in by_method.values()] == [12, 4]
    images = [{row["num_queries"] for row in rows} for rows in by_method.values()]
    assert images == [{96}, {96}]  # two steps of 48 proposals, twelve populations of 8
    counts = ran.section.tables[-1]
    assert counts.rows == ["greedy search", "differential evolution"]
    at_90 = counts.columns.index("at 90 %")
    for row, rows in zip(counts.measured, by_method.values(), strict=True):
        assert row[at_90] == sum(r["confidence"] >= 0.9 for r in rows)
    assert json.loads(ran.printed.splitlines()[-1])["experiment"] == "demo"
    assert Image.open(tmp_path / "gallery.png").size[0] > 300
    with pytest.raises(ValueError, match="out: expected a new folder or one of sfi"):
        run(tmp_path)


REFUSED = [
    ({"dataset": "imagenet"}, "dataset: expected one of digits, .*got 'imagenet'"),
    ({"network": "vgg"}, "network: expected one of vgg16, .*got 'vgg'"),
    ({"network": "lenet=none"}, "network: expected a file, got none at none"),
    ({"objective": "logit"}, "objective: expected one of confidence, .*got 'logit'"),
    ({"boundary": "bounce"}, "boundary: expected one of clip, .*got 'bounce'"),
    ({"colors": ("pink",)}, "colors: expected black"),
    ({"colors": ("red",)}, "digits has grey images, got 'red'"),
    ({"colors": ()}, "colors: expected at least one"),
    ({"classes": ()}, "classes: expected one or more different ones, got none"),
    ({"classes": (1, 1)}, "classes: expected one or more different ones, got 1 1"),
    ({"classes": (-1,)}, "classes: expected numbers from 0 to 3, got -1"),
    ({"classes": (0, 4)}, "classes: expected numbers from 0 to 3, got 4"),
    ({"k": 0}, "k: expected a number of at least 1, got 0"),
    ({"k": 785}, "k: expected at most the 784 pixels of digits, got 785"),
    ({"repeats": 0}, "repeats: expected"),
    ({"lanes": 0}, "lanes: expected"),
    ({"chunk": 0}, "chunk: expected"),
    ({"population": 3}, "population: expected a number of at least 4, got 3"),
    ({"generations": -1}, "generations: expected"),
    ({"seed": -1}, "seed: expected"),
    ({"until": 1.5}, r"until: expected a confidence in \(0, 1\], got 1.5"),
    ({"until": 1e-50}, r"until: expected .*, got 1e-50 \(0 in 32 bits\)"),
    ({"repeats": 2 * 10**9}, "repeats: expected a number from 1 to 100000, got 2000000000"),
    ({"population": 2 * 10**9}, "population: expected a number from 4 to 16777216, got 2"),
    ({"until": math.nan}, "until: expected"),
    ({"stop_at_success": True}, "stop_at_success: expected a confidence as --until"),
    ({"objective": "margin", "retry_log_confidence": True}, "retry_log_confidence: expected"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_settings_that_cannot_work_are_refused_before_anything_is_read(
    out, monkeypatch, changes, message
):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(out, **changes)
    assert not out.exists()


def test_the_demo_needs_a_budget_for_one_step(out):
    with pytest.raises(ValueError, match="budget: expected a number of at least 50, got 49"):
        run(out, demo, budget=49)


def test_a_missing_data_set_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"^dataset: expected mnist in TFDS_DATA_DIR"):
        datasets.load_dataset("mnist")


def test_a_network_without_a_name_of_its_own_is_shown_under_its_key():
    settings = dataclasses.replace(sfi.Settings(), network="cifar_resnet20=a/b", dataset="cifar10")
    assert sfi.title(settings) == "cifar_resnet20 on CIFAR-10: at most 5 pixels altered"
    one = dataclasses.replace(settings, network="cnn_nopool", k=1)
    assert sfi.title(one) == "CNN without pooling on CIFAR-10: 1 pixel altered"
