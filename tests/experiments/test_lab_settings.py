"""Settings: annotations are checks, nested settings are flat, differences are told."""

import math
from pathlib import Path
from typing import Annotated

import pytest

from experiments import lab
from experiments.lab.settings import check, differences, flat, leaves


@lab.settings
class Inner:
    population: Annotated[int, lab.at_least(4)] = 8  # candidates
    seed: lab.Seed = 0

    def check(self) -> None:
        if self.population == 5:
            raise ValueError(f"population: expected any number but 5, got {self.population}")


@lab.settings
class Settings:
    dataset: lab.Dataset = "digits"
    network: lab.Network = "mlp"
    ks: lab.Ks = (1, 5)
    colors: lab.Colors = ("black", "white")
    classes: lab.Classes | None = None
    count: lab.Count | None = None
    share: lab.Confidence = 0.5
    method: Annotated[str, lab.one_of(("a", "b"))] = "a"
    names: Annotated[tuple[Annotated[str, lab.one_of("abc")], ...], lab.distinct] = ("a",)
    pair: tuple[lab.Count, lab.Number] = (1, 0)
    size: lab.EvenCount = 2
    file: Annotated[Path, lab.Technical] | None = None
    folder: lab.InputFolder | None = None
    inner: Inner = Inner()

    def check(self) -> None:
        if self.count == self.size:
            raise ValueError(f"count: expected another number than size, got {self.count}")


def test_usual_settings_pass_and_none_is_checked_by_nothing():
    check(Settings())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dataset": "svhn"}, "dataset: expected one of digits, .*, got 'svhn'"),
        ({"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        ({"network": "mlp=none"}, r"network: .* file, got none at none \(check the path\)"),
        ({"network": "mlp="}, r"network: expected NAME or NAME=FILE, got 'mlp=' \(as in "),
        ({"ks": ()}, "ks: expected one or more ascending numbers, got none"),
        ({"ks": (5, 1)}, "ks: expected one or more ascending numbers, got 5 1"),
        ({"ks": (1, 785)}, "ks: expected at most the 784 pixels of digits, got 785"),
        ({"colors": ("red",)}, "colors: expected black, grey, white .* got 'red'"),
        ({"classes": (3, 3)}, "classes: expected one or more different ones, got 3 3"),
        ({"classes": (10,)}, "classes: expected numbers from 0 to 9, got 10"),
        ({"count": 0}, "count: expected a number of at least 1, got 0"),
        ({"count": 2**31}, "count: expected a number from 1 to 2147483647, got 2147483648"),
        ({"share": 1e-50}, r"share: expected a confidence .*, got 1e-50 \(0 in 32 bits\)"),
        ({"share": 0.0}, r"share: expected a confidence in \(0, 1\], got 0.0"),
        ({"share": math.nan}, "share: expected a confidence"),
        ({"method": "c"}, "method: expected one of a, b, got 'c'"),
        ({"names": ("a", "d")}, "names: expected one of a, b, c, got 'd'"),
        ({"names": ("a", "a")}, "names: expected one or more different ones, got a a"),
        ({"pair": (0, 0)}, "pair: expected a number of at least 1, got 0"),
        ({"pair": (1, -1)}, "pair: expected a number of at least 0, got -1"),
        ({"size": 3}, "size: expected an even number, got 3"),
        ({"folder": Path("none")}, "folder: expected a folder, got none at none"),
        ({"population": 3}, "population: expected a number of at least 4, got 3"),
        ({"population": 5}, "population: expected any number but 5, got 5"),
        ({"seed": -1}, r"seed: expected a whole number in \[0, 2\*\*32\), got -1"),
        ({"count": 2}, "count: expected another number than size, got 2"),
    ],
)
def test_annotations_refuse_at_any_depth_and_name_the_setting(changes, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=f"^{sentence}"):
        check(lab.changed(Settings(), **changes))


def test_nested_settings_are_flat_and_changed_by_their_names():
    settings = lab.changed(Settings(), population=16, share=0.75)
    assert (settings.inner.population, settings.inner.seed, settings.share) == (16, 0, 0.75)
    assert Settings().inner.population == 8
    names = [leaf.name for leaf in leaves(settings)]
    assert names[-2:] == ["population", "seed"]
    assert "inner" not in names
    assert flat(settings)["population"] == 16
    with pytest.raises(TypeError, match=r"settings: expected some of dataset, .*seed, got sed"):
        lab.changed(Settings(), sed=1)


def test_files_are_shown_by_their_names_alone_and_all_in_types_of_json():
    settings = lab.changed(Settings(), network="mlp=/home/me/w.safetensors", file=Path("/a/b.json"))
    shown = flat(settings)
    assert (shown["network"], shown["file"]) == ("mlp=w.safetensors", "b.json")
    assert shown["ks"] == [1, 5]
    assert flat(lab.changed(settings, file=Path("a/b.json")))["file"] == "a/b.json"


def test_differences_leave_out_how_a_run_is_made():
    paper = Settings()
    settings = lab.changed(paper, seed=3, population=9, classes=(1,))
    assert differences(settings, paper) == {"population": (9, 8), "classes": ([1], None)}
    assert differences(paper, paper) == {}


def test_marks_are_found_inside_options_and_tuples():
    marked = {leaf.name for leaf in leaves(Settings()) if leaf.marked(lab.Technical)}
    assert marked == {"file", "seed"}
    assert {leaf.name for leaf in leaves(Settings()) if leaf.marked(lab.Subject)} == {
        *("dataset", "network")
    }


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        Settings().share = 1.0  # pyright: ignore[reportAttributeAccessIssue]
