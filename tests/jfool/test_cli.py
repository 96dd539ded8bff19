"""The command `jfool`."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import jfool
import jfool.attacks
from jfool import cli
from jfool.cli.attacks import PAPERS

ROOT = Path(__file__).parents[2]


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"jfool {jfool.__version__}\n"


def test_help_names_every_command_with_the_first_line_of_its_module(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name in cli.COMMANDS:
        module = importlib.import_module(f"jfool.cli.{name}")
        assert f"{name} {(module.__doc__ or '').partition(chr(10))[0]}" in shown


@pytest.mark.parametrize("words", [[], ["nope"], ["example", "--pixel", "x"]])
def test_what_is_no_command_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("option", ["--pixels", "--steps"])
def test_a_bad_value_ends_with_2_and_one_sentence(option, capsys):
    assert cli.main(["example", option, "0"]) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(rf"jfool example: {option}: expected .*, got 0\n", captured.err)
    assert captured.out == ""


def test_every_attack_is_listed_with_its_paper(capsys):
    assert set(PAPERS) == set(jfool.attacks.__all__)
    assert cli.main(["attacks"]) == 0
    blocks = capsys.readouterr().out.split("jfool.")[1:]
    assert len(blocks) == len(PAPERS)
    for block, (name, paper) in zip(blocks, PAPERS.items(), strict=True):
        first, sentence = block.split("\n", 1)
        assert first == f"{name} ({paper})"
        assert len(sentence) > 20


def test_the_readme_gives_the_same_papers():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", readme, re.M))
    assert {name: rows[name].partition(" ([")[0] for name in PAPERS} == PAPERS


def test_the_example_prints_a_row_for_each_digit(capsys):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert cli.main(["example", "--pixels", "20", "--steps", "10"]) == 0
    header, *rows, last = capsys.readouterr().out.splitlines()
    assert header.split("  ") == [
        *("digit", "read as", "after the attack", "confidence", "pixels altered", "images shown"),
    ]
    assert [row.split()[:2] for row in rows] == [[str(i)] * 2 for i in range(10)]
    assert all(1 <= int(row.split()[4]) <= 20 for row in rows)
    fooled = sum(row.split()[0] != row.split()[2] for row in rows)
    assert fooled > 0
    assert last == f"{fooled} of 10 digits are taken for another one"


@pytest.mark.parametrize("asked", ["cuda", "nonsense"])
def test_a_platform_that_is_not_here_is_one_sentence(asked):
    words = [sys.executable, "-m", "jfool", "example"]
    ended = subprocess.run(
        words, env={**os.environ, "JAX_PLATFORMS": asked}, capture_output=True, text=True
    )
    if asked == "cuda" and ended.returncode == 0:
        pytest.skip("it is here")
    assert ended.returncode == 2
    assert re.fullmatch(
        rf"jfool example: JAX_PLATFORMS: expected .*, got '{asked}' \(.*\)\n", ended.stderr
    )
    assert len(ended.stderr) <= 300
