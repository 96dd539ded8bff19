"""However a sweep ends, the same call resumes it, and the table is that of an undisturbed one."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import jfool
from jfool.sweeps import without_provenance
from tests.jfool import sweep_program as program

pytestmark = pytest.mark.slow

RANDOM = [int(n) for n in np.random.default_rng(11).integers(200, 1800, 5)]
KILLS = [
    *((point, 2) for point in program.POINTS if point not in ("SIGTERM", "SIGINT")),
    ("inside a segment", 9),
    *(("soon after a segment", number) for number in RANDOM),
]
KILLS = [(point, n) for point, n in KILLS if point != "soon after a segment" or n > 100]


@functools.cache
def undisturbed() -> pa.Table:
    return without_provenance(program.sweep(None).table)


def start(folder: Path, *point: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.jfool.sweep_program", folder, *point]
    return subprocess.run(
        list(map(str, command)),
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, **program.ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_some_jobs_end_early_and_some_never():
    steps = np.asarray(undisturbed()["num_steps"])
    assert 3 < (steps < 20).sum() < len(steps) - 3
    assert (steps == 25).sum() > 3


@pytest.mark.parametrize(("point", "number"), KILLS)
def test_a_killed_sweep_goes_on_to_the_same_table(point, number, tmp_path):
    killed = start(tmp_path / "run", point, number)
    assert killed.returncode == -9, killed.stderr
    done = set(np.asarray(jfool.read_sweep(tmp_path / "run").table["job_id"]).tolist())
    assert len(done) < undisturbed().num_rows

    results = program.sweep(tmp_path / "run")
    assert without_provenance(results.table).equals(undisturbed())
    assert not len(results.missing)
    assert not list((tmp_path / "run" / "parts").glob(".*"))


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_stopped_sweep_says_so_and_loses_nothing(signal, tmp_path):
    stopped = start(tmp_path / "run", signal, 15)
    assert stopped.returncode == program.STOPPED, stopped.stderr
    assert f"stopped by {signal}: " in stopped.stdout
    assert "the same call resumes from" in stopped.stdout

    before = jfool.read_sweep(tmp_path / "run")
    assert 0 < len(before) < undisturbed().num_rows
    assert len(before.missing) == undisturbed().num_rows - len(before)
    results = program.sweep(tmp_path / "run")
    assert without_provenance(results.table).equals(undisturbed())
