"""Sweeps from the command line: tables, pictures, going on, several processes."""

import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import jfool
from experiments import show, sweep
from experiments.bench import sweep as bench
from experiments.lab.command import run_main
from experiments.lab.progress import sweep_line
from experiments.lab.section import read_section
from experiments.lab.settings import check
from jfool.sweeps import Progress, SweepStopped, without_provenance

ROOT = Path(__file__).resolve().parents[2]
SMALL = dataclasses.replace(
    sweep.Settings(), ks=(1, 2), population=8, generations=4, repeats=2, until=None, lanes=5
)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """`sweep` keeps its compiled programs in the cache; put the tests' own folder back."""
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "cache"))
    before = jax.config.jax_compilation_cache_dir
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def run(out, **changes):
    settings = dataclasses.replace(SMALL, out=str(out), **changes)
    check(settings)
    sweep.main(settings)
    return jfool.read_sweep(out)


@pytest.mark.usefixtures("tiny")
def test_every_k_color_class_and_repeat_is_a_row(out, capsys):
    results = run(out, classes=(3, 0), colors=("white", "black"))
    assert len(results) == 2 * 2 * 2 * 2
    assert sorted(set(results.column("job.k"))) == [1, 2]
    assert (results.column("num_queries") == 8 * 5).all()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["experiment"], line["done"], line["missing"]) == ("sweep/run", 16, 0)
    section, _ = read_section(out)
    assert "--ks 1 2 --colors white black --classes 3 0" in section.command
    for k, best in zip((1, 2), section.tables[::3], strict=True):
        assert best.title.startswith(f"k = {k}: highest confidence")
        assert (best.rows, best.columns) == (["white", "black"], ["west", "north"])
        for i, base in enumerate((1.0, 0.0)):
            for j, target in enumerate((3, 0)):
                rows = (
                    (results.column("job.k") == k)
                    & (results.column("job.base")[:, 0] == base)
                    & (results.column("job.target") == target)
                )
                confidences = results.column("confidence")[rows]
                assert len(confidences) == 2
                percent = math.floor(100 * confidences.max())
                assert best.measured[i][j].split(" ")[0] == str(percent)
        assert Image.open(out / f"gallery-k{k}.png").size[0] > 300


@pytest.mark.usefixtures("tiny")
def test_the_same_command_shows_what_is_there_and_another_is_refused(out, capsys):
    first = run(out)
    again = run(out)
    assert again.table.equals(first.table)
    with pytest.raises(
        ValueError,
        match=r"^seed: expected 0, with which .* was started, got 1",
    ):
        run(out, seed=1)


@pytest.mark.usefixtures("tiny")
def test_a_stopped_sweep_ends_with_75_is_shown_and_goes_on(out, monkeypatch, capsys):
    whole = without_provenance(run(out.with_name("whole")).table)
    calls = iter(range(100))

    def stop(title):
        return cluster_of_one(lambda now: next(calls) == 3 and os.kill(os.getpid(), signal.SIGTERM))

    with monkeypatch.context() as patched:
        patched.setattr(sweep, "sweep_progress", stop)
        with pytest.raises(SystemExit) as stopped:
            run(out)
    assert stopped.value.code == sweep.STOPPED
    assert "stopped by SIGTERM: " in capsys.readouterr().err

    show.main(show.Settings(str(out)))
    printed = capsys.readouterr().out
    done = json.loads(printed.splitlines()[-1])["done"]
    assert 0 < done < len(whole)
    assert f"{done} of {len(whole)} jobs are done" in printed
    assert without_provenance(run(out).table).equals(whole)


class cluster_of_one:  # noqa: N801, a context manager that lends a function
    def __init__(self, report):
        self.report = report

    def __enter__(self):
        return self.report

    def __exit__(self, *_):
        return False


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"checkpoint_seconds": -1.0}, "checkpoint_seconds: expected a time of at least 0"),
        ({"ks": ()}, "ks: expected one or more ascending numbers, got none"),
        ({"ks": (2, 2)}, "ks: expected one or more ascending numbers, got 2 2"),
        ({"ks": (785,)}, "ks: expected at most the 784 pixels of digits, got 785"),
        ({"ks": (0, 1)}, "ks: expected a number of at least 1, got 0"),
        ({"precision": "float16"}, "precision: expected one of float32, bfloat16, got 'float16'"),
        ({"population": 3}, "population: expected a number of at least 4, got 3"),
        ({"until": 2.0}, "until: expected a confidence"),
        ({"split": 0}, "split: expected a number of at least 1, got 0"),
        ({"processes": 0}, "processes: expected a number of at least 1, got 0"),
        ({"process": 0}, "process: expected it together with coordinator"),
        ({"process": 1, "coordinator": "a:1"}, "process: expected a number from 0 to 0, got 1"),
        ({"classes": (4,)}, "classes: expected numbers from 0 to 3, got 4"),
    ],
)
def test_settings_that_cannot_work_are_named(out, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(out, **changes)
    assert not out.exists()


def test_a_split_that_the_devices_do_not_have_is_refused_before_data(out, monkeypatch):
    monkeypatch.setattr(sweep.models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=r"split: expected a divisor of the \d+ devices, got 99"):
        run(out, split=99)
    assert not out.exists()


def test_the_folder_of_another_program_is_not_shown(tmp_path):
    model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, np.eye(4, 2, dtype=np.float32))
    attack = jfool.SparseFooling((2, 2, 1), 2, max_k=1, search=jfool.DifferentialEvolution(4))
    jobs = jfool.grid(jfool.SparseJob, base=[[0.0]], target=range(2), k=1)
    jfool.sweep(jax.random.key(0), attack, model, jobs, num_steps=1, folder=tmp_path / "run")
    with pytest.raises(ValueError, match="run: expected the folder of `python -m experiments"):
        show.main(show.Settings(str(tmp_path / "run")))
    with pytest.raises(FileNotFoundError, match=r"^run: expected the folder of a sweep"):
        run_main(show, "show", [str(tmp_path)], "")
    old = {"experiment": "sweep", "note": {}, "settings": {}, "colors": "black"}
    results = dataclasses.replace(jfool.read_sweep(tmp_path / "run"), settings={"note": old})
    with pytest.raises(ValueError, match=r"run: .* is missing or unknown.*in another folder"):
        show.show(results, "run", tmp_path)


@pytest.mark.usefixtures("tiny")
def test_galleries_go_where_they_are_asked_for_and_stay_small(out, tmp_path, monkeypatch, capsys):
    run(out, ks=(1,))
    before = sorted(path.name for path in out.iterdir())
    monkeypatch.setattr(show, "MOST_CLASSES", 2)
    show.main(show.Settings(str(out), tmp_path / "shown"))
    section, _ = read_section(tmp_path / "shown")
    assert section.name == "sweep/run"
    assert section.tables[0].columns == ["north", "east"]
    assert "Shown are the first 2 of 4 classes." in section.notes
    assert (tmp_path / "shown" / "gallery-k1.png").exists()
    assert sorted(path.name for path in out.iterdir()) == before
    assert str(show.folder_of("gs://bucket/my/sweep")) == "runs/sweep"
    assert show.folder_of("there") == Path("there")


def test_the_line_of_progress_counts_from_this_start():
    now = Progress(40, 60, 100, successes=5, num_queries=9000, seconds=10.0, computing=9.0)
    assert sweep_line(now) == "60 of 100, 25% successful, 900 images/s, 0:00:20 left"
    assert sweep_line(dataclasses.replace(now, done=40)) == "40 of 100, 900 images/s"
    assert sweep_line(Progress(40, 40, 100, seconds=1.0)) == "40 of 100"


PROGRAM = """
import os, sys, time
from experiments.lab import cluster
if cluster._CHILD not in os.environ:
    sys.argv = ["x"]
    cluster.subprocess.Popen = lambda command, env, Popen=cluster.subprocess.Popen: Popen(
        [sys.executable, __file__], env=env)
    cluster._HEARTBEAT = 0.3
    sys.exit(cluster.launch(2, None, None))
index = int(os.environ[cluster._CHILD].split()[2])
CODE
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "expected", "sentence"),
    [
        ("sys.exit(0)", 0, ""),
        ("sys.exit(75)", 75, ""),
        ("sys.exit(3) if index else time.sleep(60)", 1, "process 1 of 2 ended with exit code 3"),
        ("os.kill(os.getpid(), 9) if index else sys.exit(1)", 1, "process [01] of 2 ended with"),
    ],
)
def test_the_parent_says_how_its_children_ended(code, expected, sentence, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("CODE", code))
    ended = subprocess.run(
        [sys.executable, program], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == expected, ended.stderr
    assert bool(sentence) == bool(ended.stderr)
    assert re.search(sentence, ended.stderr)


def test_the_bench_compares_the_same_jobs(monkeypatch, capsys, tmp_path):
    settings = bench.Settings(
        parts=("synthetic",), repeats=1, lanes=7, generations=40, out=tmp_path / "bench.json"
    )
    bench.main(settings)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    figures = line["figures"]["synthetic"]
    lengths = np.random.default_rng(0).geometric(1 / 30, 30)
    assert figures["jobs"] == 30
    for name in ("never_finished", "never_finished_lockstep"):
        assert figures[name] == pytest.approx((lengths > 40).mean())
    assert figures["mean_steps"] == np.minimum(lengths, 40).mean()
    assert json.loads(settings.out.read_text()) == line


def test_the_growth_of_tiny_jobs_is_measured():
    figures = bench.growth((20, 40))
    assert figures["rows"] == [True, True]
    assert figures["jobs"] == [20, 40]


def test_a_stop_is_no_ordinary_exception():
    assert issubclass(SweepStopped, KeyboardInterrupt)
    assert not issubclass(SweepStopped, Exception)
