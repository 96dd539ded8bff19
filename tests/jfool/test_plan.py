"""A plan says what the sweep then does: figures are compared with closed forms and real runs."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jfool.loop import Settings, limits_of
from jfool.sweeps import ahead, sweep, without_provenance
from jfool.sweeps.ahead import ChipMemory, Program, largest
from jfool.sweeps.chips import topology_devices
from jfool.sweeps.lane_table import LaneTable
from jfool.sweeps.operations import count_operations
from jfool.sweeps.plan import Plan, plan
from jfool.sweeps.segment import make_mesh
from tests.jfool.helpers import (
    NUM_CLASSES,
    POPULATION,
    SHAPE,
    Linear,
    grey_jobs,
    sparse_fooling,
    unchecked,
    weights,
)

NUM_PIXELS = int(np.prod(SHAPE))
NUM_STEPS = 6


@pytest.fixture(autouse=True)
def shapes_for_arrays() -> Iterator[None]:
    """Plans put shapes where the annotations ask for arrays."""
    with unchecked():
        yield


@pytest.fixture
def libtpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other processes that may use it."""
    pytest.importorskip("libtpu", reason='needs pip install -e ".[plan]"')
    monkeypatch.setenv("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")


def planned(**given: Any) -> Plan:
    options = {"num_steps": NUM_STEPS, "lanes": 2, "chunk": 8, **given}
    model = options.pop("model", Linear(jax.ShapeDtypeStruct((NUM_PIXELS, NUM_CLASSES), "float32")))
    return plan(sparse_fooling(), model, options.pop("jobs", grey_jobs()), **options)


@functools.cache
def program_of_lanes(lanes: int) -> Program:
    return ahead.compile_sweep(
        sparse_fooling(),
        Linear(weights()),
        grey_jobs(),
        lanes=lanes,
        settings=Settings(8),
        until=None,
        mesh=make_mesh(jax.local_devices()[:1], 1),
    )


def test_operations_of_a_linear_model_have_a_closed_form():
    report = planned()
    per_image = 2 * NUM_PIXELS * NUM_CLASSES
    assert report.operations_per_image == per_image
    assert report.evaluations_per_generation == POPULATION * 2
    assert report.operations_per_generation == per_image * POPULATION * 2
    assert report.evaluations == POPULATION * (NUM_STEPS + 1) * 4
    assert report.operations == per_image * POPULATION * (NUM_STEPS + 1) * 4
    assert report.seconds_at_peak is None  # of this device nothing is published


def test_a_plan_counts_the_images_that_the_sweep_shows(key):
    found = sweep(key, sparse_fooling(), Linear(weights()), grey_jobs(), num_steps=NUM_STEPS)
    assert planned().evaluations == found.column("num_queries").sum()


def test_a_convolution_counts_by_its_kernel_and_groups():
    images, kernel = jnp.ones((2, 8, 9, 6)), jnp.ones((3, 5, 2, 12))

    def layer(images, kernel):
        return lax.conv_general_dilated(
            images,
            kernel,
            (2, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=3,
        )

    assert count_operations(layer, images, kernel) == 2 * (2 * 4 * 9 * 12) * (3 * 5 * 2)


def test_a_loop_counts_as_often_as_it_turns_and_of_branches_the_largest():
    x = jnp.ones((5, 5))

    def looped(x):
        x = lax.fori_loop(0, 7, lambda _, x: x @ x, x)
        return lax.cond(x[0, 0] > 0, lambda x: x @ x @ x, lambda x: x @ x, x)

    assert count_operations(jax.jit(looped), x) == (7 + 2) * 2 * 5**3


def test_lanes_alone_need_no_collective_and_fit_where_the_memory_suffices():
    report = planned()
    assert report.collectives == {}
    assert report.fits is None  # this device does not tell its memory
    assert planned(memory=report.memory.total).fits
    assert not planned(memory=report.memory.total - 1).fits


@pytest.mark.slow
def test_the_largest_number_of_lanes_fits_and_the_next_does_not():
    limit = program_of_lanes(21).memory.total + 10
    tried = []

    def program_of(lanes: int) -> Program:
        tried.append(lanes)
        return program_of_lanes(lanes)

    found = largest(program_of, limit, start=2, most=1000)
    assert program_of_lanes(found.fits).fits(limit)
    assert found.fails == found.fits + 1
    assert not program_of_lanes(found.fails).fits(limit)
    assert len(tried) <= 6
    assert len(set(tried)) == len(tried)


def memory_of(size: int, refused: int = 2**62) -> Program:
    """Of a program of 100 bytes and 10 for each lane, which the compiler refuses from a size on."""
    memory = ChipMemory(100, 10 * size, 0, 0, 0) if size < refused else None
    return Program(memory, None, 0, 0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("limit", "start", "most", "fits", "fails"),
    [
        (2105, 2, 1000, 200, 204),
        (105, 2, 1000, 0, 1),
        (200, 500, 1000, 10, 11),
        (10**9, 4, 12, 12, None),
        (10**9, 40, 12, 12, None),
    ],
)
def test_the_largest_size_is_found_wherever_one_begins(limit, start, most, fits, fails):
    found = largest(memory_of, limit, start=start, most=most)
    assert memory_of(found.fits).fits(limit)
    assert (found.fits == fits) or fits * 0.98 <= found.fits <= fits
    assert (found.fails is None) == (fails is None)
    assert found.fails is None or not memory_of(found.fails).fits(limit)
    assert found.fails is None or found.fails <= max(found.fits + 1, found.fits * 1.03)


def test_sizes_stay_multiples_and_a_refusal_of_the_compiler_is_too_large():
    tried = []

    def program_of(size: int) -> Program:
        tried.append(size)
        return memory_of(size, refused=90)

    found = largest(program_of, 10**6, start=8, most=4096, unit=8, most_compiled=20)
    assert (found.fits, found.fails) == (88, 96)
    assert all(size % 8 == 0 for size in tried)


def test_the_sizes_of_checkpoints_and_results_are_those_of_the_real_ones(key):
    jobs, model = grey_jobs(), Linear(weights())
    report = planned(model=model)
    limits, mesh = limits_of(NUM_STEPS, None, None), make_mesh(jax.local_devices()[:1], 1)
    ids = np.arange(4, dtype=np.int32)
    lead = sparse_fooling(), model, jobs
    program = ahead.compile_sweep(*lead, lanes=2, settings=Settings(8), until=None, mesh=mesh)
    table = LaneTable(key, *lead, ids, limits, mesh, 2, Settings(8), program)
    table.queue(ids, {})
    table.advance(1)
    states = table.under_way().values()
    assert report.checkpoint_bytes == sum(a.nbytes for state in states for a in state.values())

    rows = sweep(key, sparse_fooling(), model, jobs, num_steps=NUM_STEPS, lanes=2).table
    packed = 3 * len(rows)  # Arrow packs eight booleans into a byte
    numbers = without_provenance(rows).nbytes + 8 * len(rows)  # and the seconds
    texts = sum(len(rows[name][0].as_py()) for name in ("device", "host", "versions"))
    assert 0 <= report.results_bytes - numbers - texts * len(rows) <= packed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lanes": 0}, "lanes: expected a positive number, got 0"),
        ({"chunk": 2.5}, "chunk: expected a positive number, got 2.5"),
        ({"num_steps": -1}, "num_steps: expected a whole number of at least 0, got -1"),
        ({"split": 3}, r"split: expected a divisor of the \d+ devices, got 3"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        planned(**given)


def test_an_unknown_chip_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="one of v5e, v5p, v6e and its layout") as caught:
        topology_devices("v9:2x2")
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'expected libtpu for v5e:2x4, pip install -e "\.\[plan'):
        topology_devices("v5e:2x4")


@pytest.mark.parametrize(("split", "collectives"), [(1, set()), (4, {"all-gather"})])
def test_a_topology_is_planned_for_without_its_chips(split, collectives, libtpu):
    devices = topology_devices("v5e:2x4")
    report = planned(devices=devices, split=split)
    assert report.num_devices == 8
    assert report.memory_limit == 16 * 2**30
    assert report.fits
    assert set(report.collectives) == collectives
    # Four jobs on eight chips, or on two groups of four that share their candidates.
    busiest = (1 if split == 1 else 2) * POPULATION / split * (NUM_STEPS + 1)
    assert report.seconds_at_peak == pytest.approx(report.operations_per_image * busiest / 197e12)


def test_a_layout_that_does_not_exist_is_refused(libtpu):
    with pytest.raises(ValueError, match="topology: expected a layout such as v5e:4x4") as caught:
        topology_devices("v5e:3x5")
    assert len(str(caught.value).splitlines()) == 1
