"""Jobs sharded over devices stay sharded: each device computes its own part of the batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["auto", "explicit"])
def test_every_device_computes_a_quarter_of_the_batch_and_the_results_are_those_of_one(kind):
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.jfool.sharding_program", kind],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name, found in json.loads(done.stdout.splitlines()[-1]).items():
        assert found["batches"] == found["wanted"], name
        assert found["weights"], name  # a quarter of them on each device
        assert found["same"], name
        assert found["devices"] == 4, name
