"""The command line, from outside."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import __main__ as cli
from experiments.kumano2020 import de_tables, heat_maps
from experiments.lab import section
from experiments.lab.shown import preset_name

ROOT = Path(__file__).resolve().parents[2]


def start(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments", *words]
    variables = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


def test_the_list_names_every_experiment_without_importing_jax():
    code = (
        "import sys; from experiments.__main__ import main; main([]); print('jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *lines, jax_imported = done.stdout.splitlines()
    assert jax_imported == "False"
    for name in cli.EXPERIMENTS:
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(line.removeprefix(f"  {name}").strip()) > 20
        assert "(missing)" not in line


def test_listing_ends_well():
    assert start().returncode == 0


def test_a_mistyped_option_ends_with_2_and_a_bad_value_with_one_sentence(tmp_path):
    mistyped = start("demo", "--sede", "3")
    assert mistyped.returncode == 2
    assert "sede" in mistyped.stderr
    refused = start("sfi", "--k", "0", "--out", str(tmp_path / "run"))
    assert refused.returncode == 2
    assert refused.stderr == "k: expected a number of at least 1, got 0\n"
    assert refused.stdout == ""


@pytest.mark.parametrize("words", [["nope"], ["bench"], ["bench", "nope"]])
def test_an_unknown_experiment_ends_with_2(words, capsys):
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("experiment: expected one of demo, sfi, ")
    assert captured.out == ""


def test_ctrl_c_ends_with_130_and_one_line(monkeypatch, capsys):
    def interrupted(name, options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_bug_keeps_its_trace(monkeypatch):
    def broken(name, options):
        return int("not a number")  # raised by the interpreter, not by a check of ours

    monkeypatch.setattr(cli, "_run", broken)
    with pytest.raises(ValueError, match="invalid literal"):
        cli.main(["demo"])


def test_a_folder_that_cannot_be_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert cli.main(["de_tables", "smoke", "--out", str(out)]) == 2
        assert f"out: expected a folder to write to, got {tmp_path / 'file'}" in (
            capsys.readouterr().err
        )
    assert (tmp_path / "file").read_text() == "mine"
    assert cli.main(["de_tables", "smoke", "--ks", "0", "--out", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()


def test_the_folder_of_another_experiment_is_left_alone(tmp_path, capsys):
    found = section.Section(
        name="theory",
        title="",
        source="",
        preset="smoke",
        command="python -m experiments theory smoke",
        settings={},
    )
    section.publish(found, tmp_path)
    before = (tmp_path / "section.json").read_text()
    assert cli.main(["de_tables", "smoke", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"out: expected a new folder or one of de_tables, got {tmp_path}, which holds theory\n"
    )
    assert (tmp_path / "section.json").read_text() == before
    cli._check_folder("theory", tmp_path)


def test_a_run_is_called_the_papers_only_with_all_of_the_papers_numbers():
    paper = de_tables.Config()
    same = dataclasses.replace(paper, seed=3, lanes=2, network="nin", training_seed=1)
    assert preset_name(same, paper) == "paper"
    other = dataclasses.replace(paper, generations=5, until=0.9, colors=("black",))
    assert preset_name(other, paper) == "paper, other colors, generations, until"
    smoke = de_tables.PRESETS["smoke"][1]
    assert preset_name(smoke, paper) == "smoke"
    heat = heat_maps.Config()
    given = dataclasses.replace(heat, de=(Path("one"),), inversion=Path("two"))
    assert preset_name(given, heat) == "paper"
    white = dataclasses.replace(heat, color="white", dataset="digits", network="mlp")
    assert preset_name(white, heat) == "paper, other color"
