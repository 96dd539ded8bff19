"""An evolution that is killed and started again ends as one that was left alone, bit for bit."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jfool
from jfool.sweeps import large, without_provenance
from tests.jfool import evolution_program as program
from tests.jfool.sweep_program import ENVIRONMENT


@pytest.fixture(autouse=True)
def the_limit_is_put_back(monkeypatch):
    monkeypatch.setattr(large, "MOST_BYTES", large.MOST_BYTES)


@pytest.mark.slow
@pytest.mark.parametrize("method", program.ENCODINGS)
@pytest.mark.parametrize(
    ("point", "number"), [("inside a segment", 8), ("between a part and its checkpoint", 1)]
)
def test_a_killed_evolution_goes_on_to_the_same_archives(method, point, number, tmp_path):
    command = [sys.executable, "-m", "tests.jfool.evolution_program", method, tmp_path / "run"]
    killed = subprocess.run(
        list(map(str, [*command, point, number])),
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert len(jfool.read_sweep(tmp_path / "run")) == 2  # the first two runs; the next are begun

    resumed = program.sweep(method, tmp_path / "run")
    whole = program.sweep(method, tmp_path / "whole")
    assert not len(resumed.missing)
    assert without_provenance(resumed.table).equals(without_provenance(whole.table))
    genotypes = [name for name in resumed.table.column_names if name.startswith("genotype")]
    assert genotypes
    for name in genotypes:
        np.testing.assert_array_equal(resumed.column(name), whole.column(name))
    kept = {path.name for path in (tmp_path / "run" / "large").iterdir()}
    assert kept == {path.name for path in (tmp_path / "whole" / "large").iterdir()}
