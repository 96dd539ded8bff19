"""The command line, from outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import __main__ as cli
from experiments.discovery import discover

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
    assert {"demo", "bench engine", "greedy compare", "su2019 one_pixel"} <= set(discover())
    for name in discover():
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(line.removeprefix(f"  {name}").strip()) > 20


def test_listing_ends_well():
    assert start().returncode == 0


def test_a_mistyped_option_and_a_bad_value_end_with_2_and_one_sentence(tmp_path):
    mistyped = start("demo", "--sede", "3")
    assert mistyped.returncode == 2
    assert mistyped.stderr == "option: expected --seed, got --sede\n"
    assert mistyped.stdout == ""
    refused = start("sfi", "--k", "0", "--out", str(tmp_path / "run"))
    assert refused.returncode == 2
    assert refused.stderr == "k: expected a number of at least 1, got 0\n"
    assert refused.stdout == ""


def test_a_platform_that_is_not_here_ends_with_2_and_one_sentence(tmp_path):
    done = start("sweep", "--out", str(tmp_path / "run"), JAX_PLATFORMS="nonsense")
    assert done.returncode == 2
    assert done.stderr.startswith("JAX_PLATFORMS: expected platforms that JAX can start here, got ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("xyz", "one of demo, "),
        ("sweeep", "sweep"),
        ("bench", "bench "),
        ("kumano2020 de_table", "kumano2020 de_tables"),
        ("kumano2020 xyzzy", "kumano2020 "),
        # Commands of earlier versions.
        ("de_tables", "kumano2020 de_tables, got de_tables\n"),
        ("de_tables paper --network nin", "kumano2020 de_tables, got de_tables\n"),
        ("defence", "kumano2020 defense, got defence\n"),
        ("one_pixel smoke", "su2019 one_pixel, got one_pixel\n"),
        ("evolved_transfer", "nguyen2015 transfer, got evolved_transfer\n"),
        ("evolved_mnist", "nguyen2015 mnist, got evolved_mnist\n"),
        ("imagenet", "kumano2020 imagenet or nguyen2015 imagenet, got imagenet\n"),
        ("greedy", "greedy compare, got greedy\n"),
        ("greedy paper", "greedy compare, got greedy\n"),
    ],
)
def test_an_unknown_experiment_ends_with_2_and_what_may_be_meant(words, expected, capsys):
    assert cli.main(words.split()) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"experiment: expected {expected}")
    assert captured.out == ""


def test_former_commands_lead_to_experiments():
    assert set(cli.FORMER.values()) <= set(discover())
    assert not set(cli.FORMER) & set(discover())


def test_ctrl_c_ends_with_130_and_one_line(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_bug_keeps_its_trace(monkeypatch):
    def broken(*_):
        return int("not a number")  # raised by the interpreter, not by a check of ours

    monkeypatch.setattr(cli, "_run", broken)
    with pytest.raises(ValueError, match="invalid literal"):
        cli.main(["demo"])


def test_an_experiment_with_presets_needs_one(capsys):
    assert cli.main(["su2019", "one_pixel", "nope"]) == 2
    assert capsys.readouterr().err == (
        "preset: expected one of smoke, reduced, paper, got 'nope'\n"
    )


def test_options_are_refused_in_a_sentence_by_tools_and_experiments(capsys):
    for words, sentence in (
        ("train --model mlp", "option: expected --network, got --model"),
        ("sweep --k 5", "option: expected --ks, got --k"),
        ("sfi --weights w", "option: expected --network NAME=FILE, got --weights"),
        ("sfi --k x", "k: expected a whole number, got x"),
        ("show", "run: expected a value, got none"),
    ):
        assert cli.main(words.split()) == 2
        assert capsys.readouterr().err == f"{sentence}\n"
