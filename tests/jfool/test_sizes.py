"""Lanes and chunk are chosen to fit a device, by the programs that then run."""

import dataclasses
import importlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jfool
from jfool.sweeps import ahead, sizes
from jfool.sweeps.ahead import ChipMemory, Program
from jfool.sweeps.operations import written_bytes
from jfool.sweeps.segment import make_mesh
from jfool.sweeps.sizes import Asked, Sizes
from tests.jfool import sweep_program as program
from tests.jfool.helpers import Linear, Tally, Traced, sparse_fooling, weights

NOTHING = Asked(None, None)
GIBIBYTE = 2**30
SWEEP = importlib.import_module("jfool.sweeps.sweep")  # the module, not the function


@dataclasses.dataclass
class Device:
    """A device with this memory, and what a program takes of it: bytes for the weights, for each
    lane's state, and of temporaries for each lane and each image of a call."""

    memory: int
    weights: int = 0
    lane: int = 0
    lane_temporaries: int = 0
    image: int = 1
    refuses: int = 2**62  # images of a call from which on the compiler refuses
    population: int = 8

    def __post_init__(self) -> None:
        self.tried: list[Sizes] = []

    def total(self, chosen: Sizes) -> int:
        return self._memory(chosen).total

    def program_of(self, chosen: Sizes) -> Program:
        self.tried.append(chosen)
        memory = self._memory(chosen) if self._images(chosen) < self.refuses else None
        return Program(memory, None, self.weights, 0, 0, 0, 0.0)

    def _images(self, chosen: Sizes) -> int:
        return min(chosen.chunk, chosen.lanes * self.population)

    def _memory(self, chosen: Sizes) -> ChipMemory:
        lanes, images = chosen.lanes, self._images(chosen)
        return ChipMemory(
            arguments=self.weights + self.lane * lanes,
            outputs=self.lane * lanes,
            reused=self.lane * lanes,
            temporaries=self.lane_temporaries * lanes + self.image * images,
            code=0,
        )


def choose(
    device: Device | None,
    monkeypatch: pytest.MonkeyPatch,
    asked: Asked = NOTHING,
    jobs: int = 10_000,
) -> Sizes:
    monkeypatch.setattr(sizes, "memory_limit", lambda _: device and device.memory)
    population = device.population if device else 8
    attack = sparse_fooling(search=jfool.DifferentialEvolution(population))
    many = jfool.grid(jfool.SparseJob, jobs, target=0, base=[[0.5] * 3], k=1)
    mesh = make_mesh(jax.devices()[:1], 1)
    program_of = device.program_of if device else unexpected
    return sizes.choose_sizes(asked, attack, Linear(weights()), many, mesh, program_of)


def unexpected(chosen: Sizes) -> Program:
    raise AssertionError(f"{chosen}: nothing is to be compiled")


@pytest.fixture(autouse=True)
def no_network_is_small(monkeypatch):
    monkeypatch.setattr(sizes, "_CALL_BYTES", 0)


def test_nothing_is_compiled_for_a_device_that_does_not_report_its_memory(monkeypatch):
    assert choose(None, monkeypatch) == Sizes(256, 1024)
    assert choose(None, monkeypatch, jobs=32) == Sizes(32, 1024)
    for chunk, lanes in ((8, 4), (16, 8), (1000, 256)):
        assert choose(None, monkeypatch, Asked(None, chunk)) == Sizes(lanes, chunk)
        assert choose(None, monkeypatch, Asked(5, chunk)) == Sizes(5, chunk)


def test_nothing_is_compiled_for_a_chunk_that_is_given(monkeypatch):
    monkeypatch.setattr(Device, "program_of", staticmethod(unexpected))
    assert choose(Device(1), monkeypatch, Asked(None, 16)) == Sizes(8, 16)


def test_what_fits_is_compiled_once(monkeypatch):
    device = Device(10_000)
    assert choose(device, monkeypatch) == Sizes(256, 1024)
    assert len(device.tried) == 1


SHORT = {  # devices on which 1024 images do not fit
    "images alone": Device(300),
    "images beside weights": Device(10_000, weights=7000, image=10),
    "images beside large weights": Device(20_000, weights=15_900, image=10),
    "images beside states": Device(10_000, lane=20, image=10),
    "states alone": Device(10_000, lane=1000, image=0),
    "temporaries of states": Device(60_000, lane=10, lane_temporaries=200, image=30),
    "one large population": Device(9_000, lane=600, image=9, population=3000),
    "fewer images than fill a call": Device(3_000, image=99, population=4),
    "a gradient": Device(9_000, lane=9, lane_temporaries=10, image=99, population=4),
}


@pytest.mark.parametrize("lanes", [None, 9])
@pytest.mark.parametrize("device", SHORT.values(), ids=SHORT.keys())
def test_what_does_not_fit_is_predicted_from_the_memory_of_the_last(device, lanes, monkeypatch):
    """The oracle tries all powers of two."""
    device = dataclasses.replace(device)
    limit, fill = device.memory, 4 / device.population

    def of(chunk: int) -> Sizes:
        return Sizes(lanes or min(math.ceil(fill * chunk), 256), chunk)

    chunks = [2**n for n in range(10, -1, -1)]
    fitting = [chunk for chunk in chunks if device.total(of(chunk)) <= 0.85 * limit]
    sure = [chunk for chunk in chunks if device.total(of(chunk)) <= 0.8 * limit]
    if not fitting:
        with pytest.raises(ValueError, match=r"lanes, chunk: .* into 0\.0 GiB"):
            choose(device, monkeypatch, Asked(lanes, None))
        return
    chosen = choose(device, monkeypatch, Asked(lanes, None))
    assert chosen == of(chosen.chunk)
    assert device.tried[-1] == chosen
    assert device.total(chosen) <= 0.85 * limit
    assert chosen.chunk >= sure[0]
    assert len(device.tried) <= 3


def test_lanes_become_fewer_where_their_states_are_too_many(monkeypatch):
    device = Device(SHORT["states alone"].memory, lane=1000, image=0)
    assert choose(device, monkeypatch) == Sizes(8, 16)


def test_a_refusal_of_the_compiler_is_too_large(monkeypatch):
    device = Device(10**9, refuses=200)
    assert choose(device, monkeypatch) == Sizes(64, 128)
    assert [tried.chunk for tried in device.tried] == [1024, 128]


def test_what_never_fits_is_refused_with_sizes_to_try(monkeypatch):
    with pytest.raises(
        ValueError, match=r"into 2.0 GiB, got 4 and 1, which do not \(try lanes=2\)"
    ) as caught:
        choose(Device(2 * GIBIBYTE, image=4 * GIBIBYTE), monkeypatch, Asked(4, None))
    assert len(str(caught.value).splitlines()) == 1


def test_small_networks_take_more_images_at_a_time_where_memory_is_reported(monkeypatch):
    per_image = 16 + 240  # bytes of the logits of a linear network, and of its flattened image
    for bytes_, chunk in ((1, 1024), (per_image * 4096, 4096), (2**40, 8192)):
        monkeypatch.setattr(sizes, "_CALL_BYTES", bytes_)
        assert choose(Device(10**9), monkeypatch).chunk == chunk
        assert choose(None, monkeypatch).chunk == 1024


def test_a_network_writes_what_its_operations_return():
    def network(images):
        def layer(images, _):
            return jnp.sin(images @ jnp.ones((4, 4))), None

        return jax.lax.scan(layer, images, length=3)[0].sum()

    written = written_bytes(jax.jit(network), jnp.ones((2, 4)))
    assert written == 4 * (3 * (16 + 8 + 8) + 1)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """Of the program of a sweep."""
    found: list[str] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("Finished XLA compilation of jit(segment)"):
                found.append(record.getMessage())

    handler = Noting()
    logging.getLogger("jax").addHandler(handler)
    try:
        with jax.log_compiles():
            yield found
    finally:
        logging.getLogger("jax").removeHandler(handler)


@pytest.mark.parametrize("memory", [None, 2**40])
def test_a_sweep_compiles_once_and_with_new_numbers_not_again(memory, monkeypatch):
    monkeypatch.setattr(sizes, "memory_limit", lambda _: memory)
    (key, attack, _, jobs), _ = program.arguments()
    tally, known = Tally(), 0
    with compilations() as found:
        for seed, steps, threshold in ((0, 3, 0.5), (1, 5, 0.8)):
            model = Traced(Linear(jnp.asarray(weights(seed))), tally)
            until = jfool.confident(threshold)
            jfool.sweep(key, attack, model, jobs, num_steps=steps, until=until)
            assert len(found) == 1
            known = known or tally.traces
    assert tally.traces == known


def test_a_finished_sweep_is_read_without_a_compilation(tmp_path, monkeypatch):
    program.sweep(tmp_path / "run")
    monkeypatch.setattr(SWEEP, "trace_sweep", unexpected)
    assert len(program.sweep(tmp_path / "run")) == 32


@pytest.mark.parametrize("when", ["compiling", "starting", "waiting"])
def test_running_out_of_memory_is_one_sentence_with_sizes_to_try(when, monkeypatch):
    def fail(*args: Any, **options: Any) -> Any:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")

    class Failing:
        def __init__(self, compiled: Any) -> None:
            self.compiled = compiled

        def __call__(self, *args: Any) -> Any:
            return fail()

    compile_traced = ahead.Traced.compile

    def compiled(traced: ahead.Traced) -> Program:
        made = compile_traced(traced)
        if when == "waiting":
            return made
        of = None if when == "compiling" else Failing(made.compiled)
        return dataclasses.replace(made, compiled=of)

    monkeypatch.setattr(ahead.Traced, "compile", compiled)
    if when == "waiting":
        monkeypatch.setattr("jfool.sweeps.lane_table._wait_for", fail)
    with pytest.raises(
        MemoryError,
        match=r"^lanes, chunk: .*, got 3 and 8, which do not \(try lanes=1 or chunk=4\)$",
    ):
        program.sweep(None)


def test_other_errors_of_a_device_stay_what_they_are(monkeypatch):
    def fail(array: Any) -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr("jfool.sweeps.lane_table._wait_for", fail)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        program.sweep(None)
