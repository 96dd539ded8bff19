"""Devices and processes share a sweep without changing a bit of it."""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import jfool
from jfool.sweeps import without_provenance
from tests.jfool import sweep_program as program

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240


@functools.cache
def undisturbed() -> pa.Table:
    return without_provenance(program.sweep(None).table)


def start(module: str, *arguments: object, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", f"tests.jfool.{module}", *map(str, arguments)]
    environment = {**os.environ, **program.ENVIRONMENT, **environment}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipes)


def ends(*processes: subprocess.Popen) -> list[tuple[int, str, str]]:
    """Exit codes and what was printed; whatever is stuck is killed."""
    deadline, ended = time.monotonic() + SECONDS, []
    try:
        for process in processes:
            out, error = process.communicate(timeout=deadline - time.monotonic())
            ended.append((process.returncode, out, error))
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return ended


@pytest.fixture(scope="module")
def on_four_devices(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("devices")
    four = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"
    ((code, out, error),) = ends(start("sweep_devices_program", folder, XLA_FLAGS=four))
    assert code == 0, error
    return folder, json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("layout", ["lanes", "split", "both"])
def test_four_devices_give_the_rows_of_one(layout, on_four_devices):
    folder, report = on_four_devices
    assert report["devices"] == 4
    results = jfool.read_sweep(folder / layout)
    assert without_provenance(results.table).equals(undisturbed())


def test_lanes_have_nothing_to_say_to_each_other(on_four_devices):
    assert on_four_devices[1]["collectives"]["1"] == []


def test_a_split_population_gathers_little(on_four_devices):
    """Fitness of all candidates, and of each device the best fitness and its logits: no image."""
    found = on_four_devices[1]["collectives"]["4"]
    assert {name for name, _ in found} == {"all-gather"}
    lanes, population, devices = program.LANES, 8, 4
    assert sum(size for _, size in found) <= lanes * (
        population + devices * (1 + program.NUM_CLASSES)
    )


def free_address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def two(folder: Path, *point: object) -> list[tuple[int, str, str]]:
    """Two processes; the point is for the second."""
    address = free_address()
    first = start("sweep_hosts_program", folder, address, 2, 0)
    second = start("sweep_hosts_program", folder, address, 2, 1, *point)
    return ends(first, second)


def test_two_processes_finish_a_sweep_together_and_go_on_when_one_was_killed(tmp_path):
    began = time.monotonic()
    (survivor, _, error), (killed, *_) = two(tmp_path / "run", "inside a segment", 12)
    assert killed == -signal.SIGKILL
    assert survivor != 0, error
    assert time.monotonic() - began < SECONDS / 2

    before = jfool.read_sweep(tmp_path / "run")
    assert 0 < len(before) < undisturbed().num_rows
    for code, _, error in two(tmp_path / "run"):
        assert code == 0, error
    results = jfool.read_sweep(tmp_path / "run")
    assert without_provenance(results.table).equals(undisturbed())
    parts = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert parts == {"0", "1"}


def test_processes_without_a_common_folder_are_refused(tmp_path):
    address = free_address()
    processes = [start("sweep_hosts_program", tmp_path / str(i), address, 2, i) for i in range(2)]
    for code, _, error in ends(*processes):
        assert code != 0
        assert "folder: expected one that all processes see, got" in error


def test_one_process_goes_on_with_what_two_began(tmp_path):
    two(tmp_path / "run", "inside a segment", 6)
    results = program.sweep(tmp_path / "run")
    assert without_provenance(results.table).equals(undisturbed())
