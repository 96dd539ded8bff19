"""Tables 2 to 13: what is searched, how it is summed up, and what is set beside it."""

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image

import jfool
from experiments.kumano2020 import de_tables, published
from experiments.kumano2020.de_tables import PRESETS
from experiments.kumano2020.mean_tables import tables
from experiments.kumano2020.orderings import greys_above_hues, means_table, rises_with_k
from experiments.lab.section import read_section
from experiments.lab.shown import command

SMOKE = dataclasses.replace(PRESETS["smoke"][1], ks=(1, 3), generations=3)
COLORS = published.COLORS


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "cache"))


def run(out, **changes):
    de_tables.main(dataclasses.replace(SMOKE, out=out, **changes))
    return read_section(out)[0], jfool.read_sweep(out / "sweep")


@pytest.mark.usefixtures("tiny")
def test_cells_are_means_over_the_repeats_rounded_down(out, capsys):
    section, results = run(out)
    assert len(results) == 2 * 3 * 4 * 2
    for k, table in zip((1, 3), section.tables, strict=False):
        for i, base in enumerate((0.0, 0.5, 1.0)):
            for j in range(4):
                rows = (
                    (results.column("job.k") == k)
                    & (results.column("job.base")[:, 0] == base)
                    & (results.column("job.label") == j)
                )
                confidences = results.column("confidence")[rows]
                assert len(confidences) == 2
                percent = str(math.floor(100 * float(confidences.astype(float).mean())))
                assert table.measured[i][j].split(" ")[0] == percent
                assert table.bold[i][j] == (int(percent) >= 90)
        assert table.paper is None
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["experiment"] == "de_tables_mlp"


@pytest.mark.usefixtures("tiny")
def test_parentheses_hold_the_colour_alone(out, linear_model):
    section, _ = run(out)
    for i, base in enumerate((0.0, 0.5, 1.0)):
        logits = (base - 0.5) * np.asarray(linear_model.variables, float).sum(0)
        plain = np.exp(logits) / np.exp(logits).sum()
        texts = [f"({math.floor(100 * x)})" for x in plain]
        assert [cell.split(" ")[1] for cell in section.tables[0].measured[i]] == texts


@pytest.mark.usefixtures("tiny")
def test_a_second_start_searches_nothing_and_says_the_same(out):
    first, _ = run(out)
    parts = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    second, _ = run(out)
    assert first == second
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == parts


@pytest.mark.usefixtures("tiny")
def test_figures_4_and_5_are_drawn(out):
    section, _ = run(out)
    for picture in section.pictures:
        assert min(Image.open(out / picture.file).size) > 300
    assert "3-SFI" in section.pictures[0].caption  # the last k, where there is no 5


def test_reduced_has_every_cell_and_ten_thousand_evaluations():
    reduced, paper = PRESETS["reduced"][1], PRESETS["paper"][1]
    assert reduced.population * (reduced.generations + 1) >= 10_000
    for config in (reduced, paper):
        assert (config.ks, config.colors) == ((1, 5, 25, 125), COLORS)
    assert (paper.population, paper.generations, paper.repeats, paper.until) == (
        500,
        3000,
        50,
        None,
    )


def test_the_paper_stands_beside_with_what_is_lost_marked():
    means = np.full((2, 6, 10), 0.905)
    vgg16 = published.CIFAR10["cifar_vgg16"]
    plain = np.zeros((6, 10))
    made = tables((1, 5), COLORS, published.CLASSES, means, plain, vgg16)
    assert made[0].title.endswith("beside VGG16, table 2")
    assert made[0].measured[0][0] == "90 (0)"
    assert made[0].bold[0][0]
    assert made[0].paper[0][:4] == ["87 (0)", "7 (0)", "99 (0)", "99 (62)"]
    assert made[1].paper[0][3] == "? (62)"
    black = [87, 7, 99, 99, 98, 37, 98, 79, 59, 94]
    assert made[2].columns[0] == "black"
    assert made[2].paper[0][0] == np.mean(black)
    known = [52, 99, 95, 99, 99, 99, 97, 100]  # of grey, k = 5, what is not lost
    assert made[2].paper[1][1] == np.mean(known)


@pytest.mark.parametrize("network", list(published.CIFAR10))
def test_the_papers_own_tables_show_its_orderings(network):
    cells = [published.CIFAR10[network].mean[k] for k in published.KS]
    values = np.array(cells, float)
    assert rises_with_k(values)[0] == greys_above_hues(values, COLORS)[0] == "yes"


def test_orderings_are_told_from_their_opposites():
    falling = np.stack([np.full((6, 2), 50.0), np.full((6, 2), 40.0)])
    falling[1, 0, 0] = 60  # one of twelve rises
    assert rises_with_k(falling) == ("no", pytest.approx(100 / 12))
    falling[1, 0, 1] = math.nan  # no step at all
    assert rises_with_k(falling) == ("no", pytest.approx(100 / 11))
    greys = np.zeros((1, 6, 2))
    greys[0, :3] = [90, 10]
    greys[0, 3:] = [20, 20]
    assert greys_above_hues(greys, COLORS) == ("yes", 50.0)
    assert greys_above_hues(greys[:, ::-1], COLORS) == ("no", 50.0)
    assert greys_above_hues(greys[:, :3], COLORS[:3]) == (None, None)
    assert rises_with_k(greys) == (None, None)


def test_orderings_pass_over_a_k_that_the_paper_does_not_have():
    values = np.array([published.CIFAR10["cifar_vgg16"].mean[k] for k in (1, 5)], float)
    other = np.concatenate([values, np.full_like(values[:1], np.nan)])
    assert rises_with_k(other) == rises_with_k(values)
    assert greys_above_hues(other, COLORS) == greys_above_hues(values, COLORS)
    assert greys_above_hues(other[2:], COLORS) == rises_with_k(other[1:]) == (None, None)


def test_means_are_of_colours_and_of_groups():
    cells = np.arange(6.0)[None, :, None].repeat(2, axis=2)
    table = means_table((1,), COLORS, cells, None)
    assert list(table.columns[6:]) == ["black, grey, white", "red, green, blue", "all"]
    assert table.measured == [[0, 1, 2, 3, 4, 5, 1, 4, 2.5]]
    assert table.paper is None


def test_networks_that_the_paper_did_not_attack_say_so():
    config = de_tables.Config(network="cifar_resnet20")
    card = {"accuracy": 0.9, "num_test_images": 1000, "seed": 0}
    told = " ".join(de_tables.notes(config, card))
    assert "did not attack cifar_resnet20: its figures for VGG16" in told
    assert "did not attack" not in " ".join(de_tables.notes(de_tables.Config(), card))
    assert de_tables.source("nin") == "paper 000, tables 6 to 9, figures 4, 5"


@pytest.mark.parametrize(("ks", "told"), [(published.KS, None), ((5, 25), "k = 1, 125.")])
def test_numbers_of_pixels_that_were_left_out_are_told(ks, told):
    card = {"accuracy": 0.9, "num_test_images": 1000, "seed": 0}
    notes = de_tables.notes(de_tables.Config(ks=ks), card)
    of_ks = [note for note in notes if "SFIs with k" in note]
    assert of_ks == ([] if told is None else [f"The paper also has SFIs with {told}"])


def test_the_command_names_what_differs_from_the_preset(tmp_path):
    reduced = PRESETS["reduced"][1]
    config = dataclasses.replace(
        reduced, network=f"nin={tmp_path}/nin.safetensors", ks=(1, 5), until=None, out=tmp_path
    )
    assert command("de_tables", config, reduced) == (
        "python -m experiments de_tables reduced --network nin=nin.safetensors --ks 1 5 "
        "--until None"
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ks": ()}, "ks: expected ascending numbers of at least 1, got ()"),
        ({"ks": (5, 1)}, r"ks: expected ascending numbers of at least 1, got \(5, 1\)"),
        ({"ks": (0,)}, "ks: expected ascending numbers"),
        ({"population": 3}, "population: expected a number of at least 4, got 3"),
        ({"repeats": 0}, "repeats: expected a number of at least 1, got 0"),
        ({"until": 0.0}, "until: expected a confidence"),
        ({"colors": ("red",)}, "colors: expected black, grey, white or a grey level"),
        ({"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        ({"network": "mlp=none.safetensors"}, "network: expected a file, got none at none"),
        ({"training_seed": -1}, "training_seed: expected a whole number"),
    ],
)
def test_settings_that_cannot_work_are_named(out, changes, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        run(out, **changes)
    assert not out.exists()
