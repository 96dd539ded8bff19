"""Tables 2 to 13: what is searched, how it is summed up, and what stands beside it."""

import json
import math

import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments import lab
from experiments.kumano2020.de_tables import EXPERIMENT, KS, PAPER, Settings, notes, source, tables
from experiments.kumano2020.orderings import COLORS, greys_above_hues, means_table, rises_with_k
from tests.experiments.helpers import run

COMMAND = "kumano2020 de_tables"
SMALL = {"ks": (1, 3), "generations": 3}


@pytest.fixture(scope="module")
def done(tiny_module, tmp_path_factory):
    """A small run, started twice: the folder and both sections."""
    out = tmp_path_factory.mktemp("de_tables")
    first = run(EXPERIMENT, COMMAND, out, **SMALL)
    parts = {path: path.stat().st_mtime_ns for path in out.rglob("sweep/*.parquet")}
    second = run(EXPERIMENT, COMMAND, out, **SMALL)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("sweep/*.parquet")} == parts
    return out, first, second


def papers_means(network):
    return np.array([lab.numbers(PAPER[network][f"mean_{k}"]) for k in KS])


def test_cells_are_means_over_the_repeats_rounded_down(done):
    out, section, _ = done
    results = jfool.read_sweep(out / "sweep")
    assert len(results) == 2 * 3 * 4 * 2
    for k, table in zip((1, 3), section.tables, strict=False):
        for i, base in enumerate((0.0, 0.5, 1.0)):
            for j in range(4):
                rows = (
                    (results.column("job.k") == k)
                    & (results.column("job.base")[:, 0] == base)
                    & (results.column("job.target") == j)
                )
                confidences = results.column("confidence")[rows]
                assert len(confidences) == 2
                percent = str(math.floor(100 * float(confidences.astype(float).mean())))
                assert table.measured[i][j].split(" ")[0] == percent
                assert table.bold[i][j] == (int(percent) >= 90)
        assert table.paper is None


def test_parentheses_hold_the_color_alone(done, linear_model):
    _, section, _ = done
    for i, base in enumerate((0.0, 0.5, 1.0)):
        logits = (base - 0.5) * np.asarray(linear_model.variables, float).sum(0)
        plain = np.exp(logits) / np.exp(logits).sum()
        texts = [f"({math.floor(100 * x)})" for x in plain]
        assert [cell.split(" ")[1] for cell in section.tables[0].measured[i]] == texts


def test_a_second_start_searches_nothing_and_says_the_same(done):
    out, first, second = done
    assert first == second
    written = json.loads((out / "section.json").read_text())
    assert written["tables"][0]["measured"] == first.tables[0].measured
    assert written["name"] == "kumano2020/de_tables_mlp"


def test_figures_4_and_5_are_drawn(done):
    out, section, _ = done
    for picture in section.pictures:
        assert min(Image.open(out / picture.file).size) > 300
    assert "3-SFI" in section.pictures[0].caption  # the last k, where there is no 5


def test_reduced_has_every_cell_and_ten_thousand_evaluations():
    reduced, paper = EXPERIMENT.preset("reduced"), EXPERIMENT.settings
    assert reduced.search.num_queries >= 10_000
    for settings in (reduced, paper):
        assert (settings.ks, settings.colors) == ((1, 5, 25, 125), COLORS)
    search = paper.search
    assert (search.population, search.generations, search.until) == (500, 3000, None)
    assert paper.repeats == 50


def test_the_paper_stands_beside_with_what_is_lost_marked(monkeypatch):
    monkeypatch.setattr(models, "class_names", lambda name: tuple("0123456789"))
    k, color, target = (x.ravel() for x in np.meshgrid((1, 5), COLORS, range(10), indexing="ij"))
    searches = lab.Records.of(k=k, color=color, target=target, confidence=0.905, plain=0.0)
    made = tables(Settings(ks=(1, 5)), {"searches": searches})
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


@pytest.mark.parametrize("network", list(PAPER))
def test_the_papers_own_tables_show_its_orderings(network):
    values = papers_means(network)
    assert rises_with_k(values)[0] == greys_above_hues(values, COLORS)[0] == "yes"


def test_orderings_are_told_from_their_opposites():
    falling = np.stack([np.full((6, 2), 50.0), np.full((6, 2), 40.0)])
    falling[1, 0, 0] = 60  # one of twelve rises
    assert rises_with_k(falling) == ("no", pytest.approx(100 / 12))
    falling[1, 0, 1] = math.nan  # no step at all
    assert rises_with_k(falling) == ("no", pytest.approx(100 / 11))
    falling[1, 1, 0] = 50  # one that stays does not fall
    assert rises_with_k(falling) == ("no", pytest.approx(200 / 11))
    greys = np.zeros((1, 6, 2))
    greys[0, :3] = [90, 10]
    greys[0, 3:] = [20, 20]
    assert greys_above_hues(greys, COLORS) == ("yes", 50.0)
    assert greys_above_hues(greys[:, ::-1], COLORS) == ("no", 50.0)
    assert greys_above_hues(greys[:, :3], COLORS[:3]) == (None, None)
    assert rises_with_k(greys) == (None, None)


def test_orderings_pass_over_a_k_that_the_paper_does_not_have():
    values = papers_means("cifar_vgg16")[:2]
    other = np.concatenate([values, np.full_like(values[:1], np.nan)])
    assert rises_with_k(other) == rises_with_k(values)
    assert greys_above_hues(other, COLORS) == greys_above_hues(values, COLORS)
    assert greys_above_hues(other[2:], COLORS) == rises_with_k(other[1:]) == (None, None)


def test_means_are_of_colors_and_of_groups():
    cells = np.arange(6.0)[None, :, None].repeat(2, axis=2)
    table = means_table((1,), COLORS, cells, None)
    assert list(table.columns[6:]) == ["black, grey, white", "red, green, blue", "all"]
    assert table.measured == [[0, 1, 2, 3, 4, 5, 1, 4, 2.5]]
    assert table.paper is None


def test_networks_that_the_paper_did_not_attack_say_so():
    class Victim:
        note = ""

    other = Settings(network="cifar_resnet20")
    assert "orientation only" in " ".join(notes(other, {"victim": Victim}))
    assert "orientation only" not in " ".join(notes(Settings(), {"victim": Victim}))
    assert source(Settings(network="nin")) == (
        "Kumano et al. (2020), tables 6 to 9, figures 4 and 5"
    )
    assert "did not attack" in source(other)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ks": ()}, "ks: expected one or more ascending numbers, got none"),
        ({"ks": (5, 1)}, "ks: expected one or more ascending numbers, got 5 1"),
        ({"ks": (0,)}, "ks: expected a number of at least 1, got 0"),
        ({"ks": (785,)}, "ks: expected at most the 784 pixels of digits, got 785"),
        ({"population": 3}, "population: expected a number of at least 4, got 3"),
        ({"repeats": 0}, "repeats: expected a number of at least 1, got 0"),
        ({"until": 0.0}, "until: expected a confidence"),
        ({"colors": ("red",)}, "colors: expected black, grey, white or a grey level"),
        ({"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        ({"network": "mlp=none.safetensors"}, "network: expected a file, got none at none"),
        ({"training_seed": -1}, "training_seed: expected a whole number"),
    ],
)
def test_settings_that_cannot_work_are_named(tmp_path, changes, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        run(EXPERIMENT, COMMAND, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
