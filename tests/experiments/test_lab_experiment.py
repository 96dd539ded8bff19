"""What the lab derives from a declared experiment: its command, folder, section, and notes."""

import contextlib
import dataclasses
import io
import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pyarrow.parquet as pq
import pytest
import tyro
from PIL import Image

import models
from experiments import lab
from experiments.agenda import items
from experiments.lab.command import run_experiment, run_main
from experiments.lab.options import FORMER
from experiments.lab.section import Section, heading, publish, read_section

COMMAND = "made2026 up"


OPTIONS = "--network, --dataset, --ks, --repeats, --show, --population, --until, --seed, --out"


@lab.settings
class Search:
    """Searches."""

    population: Annotated[int, lab.at_least(4)] = 500  # candidates
    until: lab.Confidence | None = None
    seed: lab.Seed = 0


@lab.settings
class Settings:
    network: lab.Network = "mlp"
    dataset: lab.Dataset = "digits"
    ks: lab.Ks = (1, 5)
    repeats: lab.Count = 3
    show: lab.Flag = True
    search: Search = Search()


PRESETS = {"smoke": lab.preset("seconds", "--population 8 --ks 1 --until 0.9")}
RAN: list[Path] = []


def records(s, run):
    RAN.append(run.folder)
    ks = list(s.ks)
    return {"searches": lab.Records.of(k=ks, confidence=[1 / k for k in ks]), "card": "a card"}


def tables(s, found):
    cells = found["searches"].columns("k", "confidence")
    yield lab.table("T", {f"k = {k}": {"c": confidence} for k, confidence in cells})


def pictures(s, found, out):
    Image.new("L", (4, 4)).save(out / "a.png")
    yield lab.Picture("a.png", "A caption.")


def notes(s, found):
    return [f"About {found['card']}."]


def declared(**changes) -> lab.Experiment:
    values = {"presets": PRESETS, "title": "On {dataset}", "source": "Nobody (2026)", **changes}
    return lab.Experiment(
        Settings(),
        records=records,
        tables=tables,
        pictures=pictures,
        notes=notes,
        **values,
    )


def typed(words: str, experiment=None) -> str:
    """Runs a command line, and gives what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run_experiment(experiment or declared(), COMMAND, shlex.split(words), "The help.")
    return printed.getvalue()


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    RAN.clear()


def test_a_run_writes_a_section_pictures_and_records_below_runs_and_ends_with_json():
    printed = typed("smoke --repeats 2")
    out = Path("runs/made2026/up")
    section, made_with = read_section(out)
    assert (section.name, section.title) == ("made2026/up", "On digits")
    assert section.preset == "smoke"
    assert section.command == f"python -m experiments {COMMAND} smoke --repeats 2"
    assert section.settings == {
        "network": "mlp",
        "dataset": "digits",
        "ks": [1],
        "repeats": 2,
        "show": True,
        "population": 8,
        "until": 0.9,
        "seed": 0,
    }
    assert {"versions", "git_commit", "device"} <= set(made_with)
    assert section.tables[0].measured == [[1.0]]
    assert (out / section.pictures[0].file).exists()
    assert pq.read_table(out / "searches.parquet").to_pylist() == [{"k": 1, "confidence": 1.0}]
    line = json.loads(printed.splitlines()[-1])
    assert line == {"experiment": "made2026/up", "preset": "smoke", "out": str(out.resolve())}
    assert printed.startswith("On digits (smoke)\n")


def test_what_differs_from_the_paper_is_a_note_and_how_it_is_run_is_not():
    typed("smoke --seed 3 --no-show")
    section, _ = read_section(Path("runs/made2026/up"))
    assert section.notes == [
        "About a card.",
        "Settings other than the paper's (in parentheses): ks 1 (1 5), population 8 (500), "
        "until 0.9 (none).",
    ]


@pytest.mark.parametrize(
    ("options", "preset"),
    [
        ("", "paper"),
        ("--seed 3 --no-show", "paper"),
        ("--network lenet --dataset mnist", "paper"),
        ("--population 600 --dataset mnist --ks 1", "paper, other ks, population"),
    ],
)
def test_a_run_is_called_the_papers_only_with_all_of_the_papers_settings(options, preset):
    typed(f"paper {options}")
    section, _ = read_section(Path("runs/made2026/up"))
    assert section.preset == preset
    assert heading("T", preset) == ("T" if preset == "paper" else f"T ({preset})")


@pytest.mark.parametrize(
    "words",
    ["smoke", "paper --ks 1 25 --until None", "smoke --no-show --until None --seed 7",
     "smoke --network 'mlp=my weights.safetensors'"],
)  # fmt: skip
def test_the_command_of_a_section_makes_its_settings_again(words, tmp_path):
    models.save(models.create("mlp"), "my weights.safetensors")
    typed(f"{words} --out one")
    first, _ = read_section(Path("one"))
    prefix = f"python -m experiments {COMMAND} "
    typed(f"{first.command.removeprefix(prefix)} --out two")
    second, _ = read_section(Path("two"))
    assert (second.settings, second.command) == (first.settings, first.command)


def test_a_preset_is_the_papers_settings_with_options():
    experiment = declared()
    assert experiment.preset("smoke") == lab.changed(Settings(), population=8, ks=(1,), until=0.9)
    assert experiment.preset("paper") == Settings()


def test_an_experiment_without_presets_takes_options_at_once():
    assert typed("--repeats 2", declared(presets={}, agenda=())).startswith("On digits\n")
    section, _ = read_section(Path("runs/made2026/up"))
    assert (section.preset, section.command) == (
        "",
        f"python -m experiments {COMMAND} --repeats 2",
    )
    assert section.notes == ["About a card."]


def test_titles_and_names_are_templates_or_functions_of_the_settings():
    experiment = declared(name=lambda s: f"up_{s.dataset}_{s.search.population}")
    assert experiment.section_name(COMMAND, Settings()) == "made2026/up_digits_500"
    assert declared(name="on_{dataset}").section_name("tool", Settings()) == "on_digits"
    asked = declared(name="on_{dataset}", agenda=("", "--dataset mnist --network cnn=FILE"))
    first, second = items(COMMAND, asked)
    assert (first.name, first.command) == (
        "made2026/on_digits",
        f"python -m experiments {COMMAND} paper",
    )
    assert (second.name, second.title) == ("made2026/on_mnist", "On mnist")
    assert second.command.endswith("paper --dataset mnist --network cnn=FILE")


def test_the_help_names_presets_and_settings(capsys):
    assert typed("") == typed("--help")
    assert "smoke: seconds" in typed("")
    with pytest.raises(SystemExit) as ended:
        run_experiment(declared(), COMMAND, ["smoke", "--help"], "The help.")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "candidates (default: 8)" in shown
    assert "settings" not in shown


def test_settings_without_a_default_are_named_where_they_are_missing():
    @lab.settings
    class Tool:
        run: Annotated[str, tyro.conf.Positional]
        shape: tuple[int, int] | None = None

    got = []
    module = SimpleNamespace(Settings=Tool, main=got.append)
    run_main(module, "tool", ["a", "--shape", "3", "4"], "")
    assert got == [Tool("a", (3, 4))]
    for words, sentence in (
        ("", "run: expected a value, got none"),
        ("a b", "run: expected a value, got a b"),
        ("--run a", "option: expected --shape, got --run"),
        ("a --shape 3", "shape: expected 2 whole numbers or None, got 3"),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            run_main(module, "tool", words.split(), "")
    assert len(got) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nope", "preset: expected one of smoke, paper, got 'nope'"),
        ("smoke --ks 0", "ks: expected a number of at least 1, got 0"),
        ("smoke --k 1", "option: expected --ks, got --k"),
        ("smoke --model mlp", "option: expected --network, got --model"),
        ("smoke --weights w", "option: expected --network NAME=FILE, got --weights"),
        ("smoke --overwrite", "option: expected --out FOLDER, another one, got --overwrite"),
        ("smoke --popluation 4", "option: expected --population, got --popluation"),
        ("smoke --search.population 4", "option: expected --population, got --search.population"),
        ("smoke --xyzzy", f"option: expected one of {OPTIONS}, got --xyzzy"),
        ("smoke -x 3", f"option: expected one of {OPTIONS}, got -x"),
        ("smoke 3", f"option: expected one of {OPTIONS}, got 3"),
        ("smoke --seed -1", r"seed: expected a whole number in \[0, 2\*\*32\), got -1"),
        ("smoke --repeats x", "repeats: expected a whole number, got x"),
        ("smoke --repeats=x", "repeats: expected a whole number, got x"),
        ("smoke --repeats", "repeats: expected a whole number, got none"),
        ("smoke --repeats 2 3 --seed 1", "repeats: expected a whole number, got 2 3"),
        ("smoke --no-show 3", "show: expected no value, got 3"),
        ("smoke --ks 1 x", "ks: expected whole numbers, got 1 x"),
        ("smoke --until x", "until: expected a number or None, got x"),
        ("smoke --out", "out: expected a path or None, got none"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(words, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        typed(words)
    assert RAN == []
    assert not Path("runs").exists()


def test_a_former_option_that_is_a_setting_here_is_one():
    @lab.settings
    class Tool:
        k: lab.Count = 1

    got = []
    module = SimpleNamespace(Settings=Tool, main=got.append)
    run_main(module, "tool", ["--k", "3"], "")
    assert got == [Tool(3)]
    with pytest.raises(ValueError, match="k: expected a number of at least 1, got 0"):
        run_main(module, "tool", ["--k", "0"], "")
    assert "k" in FORMER
    with pytest.raises(ValueError, match=r"^option: expected --k, got --model$"):
        run_main(module, "tool", ["--model", "x"], "")


def test_a_folder_that_cannot_be_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/below"):
        with pytest.raises(ValueError, match=r"out: expected a folder to write to, got .*file"):
            typed(f"smoke --out {out}")
    assert (tmp_path / "file").read_text() == "mine"
    assert RAN == []


def test_the_folder_of_another_experiment_is_left_alone(tmp_path):
    command = "python -m experiments made2026 up_and_down smoke"
    found = Section("made2026/other", "", "", "smoke", command, {})
    with contextlib.redirect_stdout(io.StringIO()):
        publish(found, tmp_path)
    before = (tmp_path / "section.json").read_text()
    sentence = "out: expected a new folder or one of made2026 up, got .*, which holds made2026/oth"
    with pytest.raises(ValueError, match=sentence):
        typed(f"smoke --out {tmp_path}")
    assert (tmp_path / "section.json").read_text() == before
    assert RAN == []


def test_a_second_run_replaces_its_own_section_and_what_was_there_of_it():
    typed("smoke --out there")
    for file in ("mine.png", "mine.parquet"):
        Path("there", file).touch()
    more = {
        "records": lambda s, run: lab.Records.of(k=[1], confidence=[1.0]),
        "tables": lambda s, found: (),
        "pictures": lambda s, found, out: (),
        "notes": lambda s, found: (),
    }
    typed("smoke --seed 1 --out there", dataclasses.replace(declared(), **more))
    section, _ = read_section(Path("there"))
    assert section.command.endswith("--seed 1")
    assert {path.name for path in Path("there").iterdir()} == {
        *("section.json", "records.parquet", "mine.png", "mine.parquet")
    }


@pytest.mark.parametrize("entry", ["records", "pictures"])
def test_nothing_outside_of_the_folder_is_removed(entry):
    typed("smoke --out there")
    Path("mine.txt").touch()
    path = Path("there/section.json")
    files = {"records": ["../mine.txt"], "pictures": [{"file": "../mine.txt", "caption": ""}]}
    path.write_text(json.dumps({**json.loads(path.read_text()), entry: files[entry]}))
    with pytest.raises(ValueError, match=r"expected pictures and records beside it, got '../mine"):
        typed("smoke --out there")
    assert Path("mine.txt").exists()


OTHER = (
    "^out: expected a new folder or one with ks 1 5, population 9, got there with ks 1, "
    r"population 8 \(choose another --out\)$"
)


def test_other_settings_are_refused_before_the_work_and_leave_the_folder_as_it_was():
    typed("smoke --out there")
    before = {path: path.read_bytes() for path in Path("there").iterdir()}
    RAN.clear()
    with pytest.raises(ValueError, match=OTHER):
        typed("smoke --population 9 --ks 1 5 --seed 3 --out there")
    assert RAN == []
    assert {path: path.read_bytes() for path in Path("there").iterdir()} == before
    typed("smoke --seed 3 --no-show --out there")
    assert len(RAN) == 1


def interrupted(s, run):
    records(s, run)
    (run.folder / "sweep").mkdir(exist_ok=True)
    raise KeyboardInterrupt


def test_an_interrupted_run_resumes_with_its_settings_and_is_refused_with_others():
    with pytest.raises(KeyboardInterrupt):
        typed("smoke --out there", dataclasses.replace(declared(), records=interrupted))
    assert not Path("there/section.json").exists()
    RAN.clear()
    with pytest.raises(ValueError, match=OTHER):
        typed("smoke --population 9 --ks 1 5 --seed 3 --out there")
    with pytest.raises(ValueError, match="or one of made2026 down, got there, which holds made202"):
        run_experiment(declared(), "made2026 down", ["smoke", "--out", "there"], "")
    assert RAN == []
    typed("smoke --out there")
    assert len(RAN) == 1
    assert {path.name for path in Path("there").iterdir()} == {
        *("section.json", "searches.parquet", "a.png", "sweep")
    }


def test_a_run_that_kept_nothing_leaves_its_folder_to_others():
    def refused(s, run):
        raise ValueError("network: expected another")

    with pytest.raises(ValueError, match="network"):
        typed("smoke --out there", dataclasses.replace(declared(), records=refused))
    typed("smoke --population 9 --out there")


def test_settings_that_may_be_extended_share_a_folder():
    @lab.settings
    class Extended(Settings):
        networks: lab.Networks = ("mlp", "lenet")

    experiment = dataclasses.replace(declared(), settings=Extended())
    typed("smoke --networks mlp --out there", experiment)
    typed("smoke --networks lenet --out there", experiment)
    section, _ = read_section(Path("there"))
    assert section.settings["networks"] == ["lenet"]
    with pytest.raises(ValueError, match="--out"):
        typed("smoke --ks 1 5 --out there", experiment)


def test_a_damaged_note_of_a_run_is_reported():
    Path("there").mkdir()
    Path("there/unfinished.json").write_text("{")
    with pytest.raises(ValueError, match=r"unfinished.json: expected a run, got .*; delete it"):
        typed("smoke --out there")
