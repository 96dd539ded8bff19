"""The command line, from outside."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import models
from experiments import __main__ as cli
from experiments import sfi, train
from experiments.discovery import discover
from experiments.lab import kinds
from experiments.lab.naming import naming, settings_of
from experiments.lab.settings import check
from experiments.show import folder_of
from jfool.sweeps.run_folder import RunFolder
from models.cache import cache_folder
from models.paths import home

NO_RECIPE = (
    "network: expected one of lenet, mlp, cnn, cnn_nopool, capsnet, which have a recipe for mnist, "
    "got 'nin' ({} another data set)"
)
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
        ("xyz", "one of "),
        ("nope", "one of "),
        ("x" * 5000, "one of "),
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
    assert len(captured.err) <= 300
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
        ("train --dataset mnist --network nin", NO_RECIPE.format("choose one of them, or")),
        ("sfi --dataset mnist --network nin", NO_RECIPE.format("give weights, NAME=FILE, or")),
        ("sfi --k x", "k: expected a whole number, got x"),
        ("show", "run: expected a value, got none"),
    ):
        assert cli.main(words.split()) == 2
        assert capsys.readouterr().err == f"{sentence}\n"


def test_a_reader_that_has_gone_leaves_no_trace():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "experiments", "su2019", "one_pixel"],
        stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def presets() -> list[tuple[str, str]]:
    """Every command with each of its presets; "" where it has none."""
    found = []
    for command, module in discover().items():
        names = [""]
        if module.declared:
            names = [*importlib.import_module(module.name).EXPERIMENT.presets, "paper"]
            names = names if len(names) > 1 else [""]
        found += [(command, name) for name in names]
    return found


def untouched(*_):
    raise AssertionError("data were touched")


@pytest.mark.parametrize(("command", "preset"), presets())
def test_missing_data_and_bad_folders_are_refused_before_anything_is_read(
    command, preset, monkeypatch, tmp_path, capsys
):
    """A data set that is not here first of all; with it, a folder that cannot be written to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    for name in ("load_dataset", "trained", "create"):
        monkeypatch.setattr(models, name, untouched)
    Path("file").touch()
    found = discover()[command]
    module = importlib.import_module(found.name)
    if not hasattr(module, "EXPERIMENT") and not hasattr(module.Settings, "out"):
        return  # a bench without a data set and without a file
    words = [*command.split(), *preset.split(), *(["."] if command == "show" else [])]
    out = ["--out", "file/below/run.safetensors" if command == "train" else "file/below"]
    out += ["--parts", "tiny"] if command == "bench sweep" else []  # which needs no data
    assert cli.main([*words, *out]) == 2
    assert capsys.readouterr().err.startswith("out: expected a folder to write to, got ")
    monkeypatch.setattr(kinds, "check_prepared", models.datasets.check_prepared)
    settings = module.EXPERIMENT.preset(preset) if found.declared else module.Settings
    named = {"bench sweep": "parts", "kumano2020 table1": "datasets"}.get(command, "dataset")
    datasets = getattr(settings, named, "digits")
    if {"mnist", "fashion_mnist", "cifar10"} & {datasets, *datasets}:
        assert cli.main(words) == 2
        sentence = capsys.readouterr().err
        assert re.match(rf"{named}: expected \w+ in TFDS_DATA_DIR, got none in .*pip ", sentence)
        assert len(sentence) <= 300


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sfi --network nin=WEIGHTS --dataset mnist", "network: expected 3 channels"),
        ("sfi --network mlp=WEIGHTS --dataset cifar10", "network: "),
        ("sweep --network lenet=damaged --dataset cifar10", "network: "),
        ("bench precision --network lenet=damaged --dataset mnist", "network: "),
        ("su2019 one_pixel paper --networks nin=damaged", "networks: "),
        ("kumano2020 table1 paper --networks nin=damaged", "networks: "),
        ("kumano2020 imagenet paper --network resnet50=damaged", "network: "),
        ("greedy compare smoke --imagenet squeezenet1_1=damaged", "imagenet: "),
        ("sweep --dataset mnist --out file", "out: expected a folder"),
        ("sweep --dataset mnist --out foo://a", "out: expected a path on a disk or gs://"),
        ("sweep --dataset mnist --coordinator a --process 0", "coordinator: expected host:port"),
        ("sfi --out ~nobody-at-all/x", "out: expected a path that can exist, got '~nobody"),
        ("sweep --out ~nobody-at-all/x", "out: expected a path that can exist, got '~nobody"),
        ("report --out ~nobody-at-all/x", "out: expected a path that can exist, got '~nobody"),
        ("sfi --out=", "out: expected a path, got ''"),
        ("train --out=", "out: expected a path, got ''"),
        ("report --out=", "out: expected a path, got ''"),
        ("report --folders docs --folders=", "folders: expected a path, got ''"),
        ("sweep --out=", "out: expected a path"),
        ("bench engine --k 99999", "k: expected a number from 1 to 784, got 99999"),
        ("plan --jobs 2000000000", "jobs: expected a number from 1 to 100000000, got 2"),
        ("bench precision --dataset mnist --out .", "out: expected a file, got the folder"),
    ],
)
def test_weights_and_folders_are_looked_at_before_data(
    words, sentence, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    models.save(models.create("mlp"), "mlp.safetensors")
    Path("damaged").write_bytes(b"0" * 100)
    Path("file").touch()
    for name in ("load_dataset", "trained"):
        monkeypatch.setattr(models, name, untouched)
    assert cli.main(words.replace("WEIGHTS", "mlp.safetensors").split()) == 2
    refusal = capsys.readouterr().err
    assert refusal.startswith(sentence)
    assert refusal.count("\n") == 1


def test_the_home_folder_is_understood_in_every_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    models.save(models.create("mlp"), tmp_path / "w.safetensors")
    settings = train.Settings(network="mlp", out=Path("~/a/w.safetensors"))
    check(settings)
    assert settings.out == tmp_path / "a" / "w.safetensors"
    check(sfi.Settings(network="mlp=~/w.safetensors"))
    assert folder_of("~/run") == tmp_path / "run"
    assert os.fspath(RunFolder("~/run").path) == str(tmp_path / "run")
    monkeypatch.setenv("JFOOL_CACHE", "~/cache")
    assert cache_folder() == tmp_path / "cache"
    assert home("~nobody-at-all/x") == Path("~nobody-at-all/x")


def test_errors_of_the_library_name_the_option():
    names = settings_of(["seed", "generations", "out", "num_images", "until"])
    for text, told in (
        ("folder: expected a new one", "out: expected a new one"),
        ("key: expected a key", "seed: expected a key"),
        ("threshold: expected 1", "until: expected 1"),
        ("num_steps: expected 1", "generations: expected 1"),
        ("num_images: expected 1", "num_images: expected 1"),
        ("without an argument", "without an argument"),
    ):
        with pytest.raises(ValueError, match=f"^{told}"), naming(names):
            raise ValueError(text)
    assert "num_steps" not in settings_of(["num_steps", "generations"])
