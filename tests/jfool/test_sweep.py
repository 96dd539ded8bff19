"""A sweep finds what `run` finds, whatever its lanes, segments, chunks and interruptions."""

import dataclasses
import functools
import importlib
import json
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import jfool
from jfool.result import AttackResult
from jfool.sweeps import Results, without_provenance
from jfool.sweeps.segment import FINDINGS
from tests.jfool import sweep_program as program
from tests.jfool.helpers import Linear, sparse_fooling, unchecked


@functools.cache
def of_run(**options) -> AttackResult:
    lead, settings = program.arguments()
    return jfool.run(*lead, **settings, **{"chunk": 8, **options})


def assert_equals_run(results: Results, expected: AttackResult) -> None:
    assert expected.notes is None  # so there is no such column
    for path, wanted in jax.tree.leaves_with_path({n: getattr(expected, n) for n in FINDINGS}):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        np.testing.assert_array_equal(results.column(name), wanted, err_msg=name)


def sweep(**options) -> Results:
    return program.sweep(None, **options)


@functools.cache
def undisturbed() -> pa.Table:
    return without_provenance(sweep().table)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished sweep, for tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    program.sweep(folder)
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy, for tests that damage it."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lanes": 1},
        pytest.param({"lanes": 32}, marks=pytest.mark.slow),
        {"segment": 1},
        {"segment": 100},
        {"segment": None},
        {"lanes": None},
    ],
    ids=str,
)
def test_the_results_are_those_of_run_bit_by_bit(options):
    assert_equals_run(sweep(**options), of_run())


@pytest.mark.slow
def test_larger_chunks_equal_those_of_a_run_of_as_many_jobs():
    """Both then show the model 16 images per call."""
    assert_equals_run(sweep(lanes=32, chunk=16), of_run(chunk=16))


def test_a_sweep_records_what_the_steps_told_and_may_keep_the_last_image():
    attack = jfool.PGD((4, 4, 3), 3, step_size=0.03)
    images = np.random.default_rng(0).uniform(size=(5, 4, 4, 3)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(48, 3)).astype(np.float32)
    model = Linear(jnp.asarray(weights))
    epsilon, label = np.full(5, 0.1, np.float32), np.arange(5) % 3
    jobs = jfool.PerturbationJob(images, epsilon, label)
    options = {"num_steps": 3, "history": True, "keep": "last"}
    found = jfool.sweep(jax.random.key(0), attack, model, jobs, lanes=2, chunk=1, **options)
    assert_equals_run(found, jfool.run(jax.random.key(0), attack, model, jobs, chunk=1, **options))
    assert found.column("history.fitness").shape == (5, 3)
    assert (found.column("num_gradients") == 3).all()
    moved = np.abs(found.images(attack, jfool.PerturbationJob) - images)
    np.testing.assert_allclose(moved.max((1, 2, 3)), found.column("distances.linf"), rtol=1e-5)


def test_jobs_without_budget_are_judged_as_they_are():
    images = np.random.default_rng(0).uniform(size=(3, 4, 4, 3)).astype(np.float32)
    model = Linear(jnp.asarray(np.random.default_rng(1).normal(size=(48, 3)), jnp.float32))
    jobs = jfool.PerturbationJob(images, np.full(3, 0.1, np.float32), np.arange(3))
    lead = jax.random.key(0), jfool.BIM((4, 4, 3), 3), model, jobs
    found = jfool.sweep(*lead, num_steps=0, keep="last", lanes=2, chunk=1)
    expected = jfool.run(*lead, num_steps=0, keep="last", chunk=1)
    np.testing.assert_array_equal(found.column("confidence"), expected.confidence)
    np.testing.assert_array_equal(found.column("clean_prediction"), expected.clean_prediction)
    assert np.isfinite(expected.confidence).all()


def test_jobs_without_a_criterion_take_all_steps():
    results = sweep(until=None)
    assert (results.column("num_steps") == 25).all()
    assert not results.column("stopped").any()


def test_a_budget_of_queries_ends_a_job_with_the_step_that_reaches_it():
    results = sweep(until=None, max_queries=60)
    np.testing.assert_array_equal(results.column("num_queries"), 64)
    np.testing.assert_array_equal(results.column("num_steps"), 7)


def test_ids_name_the_draws_and_the_rows():
    lead, settings = program.arguments()
    ids = np.arange(100, 132)[::-1]
    results = sweep(job_ids=ids)
    np.testing.assert_array_equal(results.column("job_id"), np.sort(ids))
    np.testing.assert_array_equal(results.column("job.target"), lead[3].target[::-1])
    expected = jfool.run(*lead, **settings, chunk=8, job_ids=ids)
    np.testing.assert_array_equal(results.column("genotype"), expected.genotype[::-1])


def test_images_are_painted_anew_from_the_rows():
    lead, _ = program.arguments()
    results = sweep()
    images = results.images(lead[1], jfool.SparseJob)
    np.testing.assert_array_equal(images, of_run().images)
    some = results.images(lead[1], jfool.SparseJob, [30, 2])
    np.testing.assert_array_equal(some, images[[30, 2]])


ATTACK = program.arguments()[0][1]
REFUSED = {
    "a name": (lambda r: r.column("confidnce"), r"name: expected one of confidence, .* others .*'"),
    "no name": (lambda r: r.column(5), "name: expected one of "),
    "beyond": (
        lambda r: r.images(ATTACK, jfool.SparseJob, [3, 32]),
        "rows: expected numbers from 0 to 31, got 3 to 32",
    ),
    "negative": (lambda r: r.column("job_id", -1), "rows: expected numbers from 0 to 31, got -1"),
    "floats": (
        lambda r: r.column("job_id", [0.0]),
        r"rows: expected numbers \[R\] or a mask \[32\]",
    ),
    "texts": (
        lambda r: r.genotypes(ATTACK, jfool.SparseJob, "ab"),
        r"rows: expected numbers \[R\]",
    ),
    "short mask": (lambda r: r.images(ATTACK, jfool.SparseJob, [True]), "rows: expected numbers"),
    "ragged": (lambda r: r.column("job_id", [[0], [1, 2]]), "rows: expected numbers"),
    "rows": (lambda r: r.column("job_id", jfool.Rows(BYTES, [0])), "rows: expected numbers"),
    "a search": (
        lambda r: r.images(ATTACK.search, jfool.SparseJob),
        "attack: expected that of the sweep, with an encoding",
    ),
    "no attack": (
        lambda r: r.genotypes(5, jfool.SparseJob),
        "attack: expected an attack, got int 5",
    ),
    "jobs": (
        lambda r: r.images(ATTACK, 5),
        "job_type: expected the class of the sweep's jobs, such",
    ),
    "other jobs": (
        lambda r: r.images(ATTACK, jfool.PerturbationJob),
        "job_type: expected the class of the sweep's jobs, got PerturbationJob, which has image",
    ),
    "other images": (
        lambda r: r.images(dataclasses.replace(ATTACK, image_shape=(9, 5, 3)), jfool.SparseJob),
        r"attack: expected that of the sweep, got another SparseFooling \(of other images\)",
    ),
    "other genotypes": (
        lambda r: r.images(dataclasses.replace(ATTACK, max_k=2), jfool.SparseJob),
        r"attack: expected that of the sweep, .* \(genotype is \[2, 5\], not \[3, 5\]\)",
    ),
    "another encoding": (
        lambda r: r.images(jfool.BIM(program.SHAPE, 4), jfool.SparseJob),
        "attack: expected that of the sweep, got another BIM",
    ),
}
BYTES = np.zeros((2, 4, 5, 3), np.uint8)


@pytest.fixture(scope="module")
def swept():
    return sweep()


@pytest.mark.parametrize("case", REFUSED)
def test_columns_and_images_that_there_are_not_are_refused(case, swept):
    call, sentence = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}") as caught, unchecked():
        call(swept)
    assert len(str(caught.value)) <= 300


def test_rows_are_numbers_or_a_mask(swept):
    mask = np.arange(len(swept)) % 5 == 1
    for read in (
        lambda rows: swept.column("genotype", rows),
        lambda rows: swept.images(ATTACK, jfool.SparseJob, rows),
        lambda rows: swept.genotypes(ATTACK, jfool.SparseJob, rows),
    ):
        np.testing.assert_array_equal(read(mask), read(np.flatnonzero(mask)))
        assert read([]).shape[0] == 0
        np.testing.assert_array_equal(read(7), read([7]))


def test_an_untargeted_sweep_has_the_label_and_paints_its_images():
    lead, _ = program.arguments()
    jobs = dataclasses.replace(lead[3], target=None, label=lead[3].target)
    attack = dataclasses.replace(lead[1], objective=jfool.Untargeted())
    options = {"num_steps": 3, "chunk": 8}
    results = jfool.sweep(lead[0], attack, lead[2], jobs, lanes=3, **options)
    expected = jfool.run(lead[0], attack, lead[2], jobs, **options)
    np.testing.assert_array_equal(results.column("job.label"), jobs.label)
    assert "job.target" not in results.table.column_names
    np.testing.assert_array_equal(results.images(attack, jfool.SparseJob), expected.images)


def test_jobs_that_wait_stay_on_the_host(monkeypatch):
    on_device = []

    def noted(move):
        def noting(tree, *args, **options):
            on_device.extend(map(np.shape, jax.tree.leaves(tree)))
            return move(tree, *args, **options)

        return noting

    for holder, name in ((jnp, "asarray"), (jax, "device_put")):
        monkeypatch.setattr(holder, name, noted(getattr(holder, name)))
    assert len(sweep()) == 32
    assert (program.LANES, program.SHAPE[2]) in on_device  # the colors of jobs that enter
    assert not [shape for shape in on_device if shape[:1] == (32,)]


def test_jobs_in_other_precisions_are_the_same_jobs(finished):
    lead, settings = program.arguments()
    lead[3] = jax.tree.map(
        lambda leaf: leaf.astype(np.float64 if leaf.dtype.kind == "f" else np.int16), lead[3]
    )
    sizes = {"lanes": program.LANES, "chunk": 8}
    assert len(jfool.sweep(*lead, **settings, **sizes, folder=finished)) == 32


def test_finished_jobs_are_saved_before_they_take_too_much_memory(tmp_path, monkeypatch):
    row = undisturbed().nbytes / 32
    monkeypatch.setattr(importlib.import_module("jfool.sweeps.sweep"), "_MOST_BYTES_HELD", 8 * row)
    program.sweep(tmp_path / "run", checkpoint_seconds=1000.0)
    parts = [int(path.stem.split("-")[2]) for path in (tmp_path / "run" / "parts").iterdir()]
    assert sum(parts) == 32
    assert 4 < max(parts) <= 8 + program.LANES


def test_rows_say_where_they_come_from():
    row = sweep().table.slice(0, 1).to_pylist()[0]
    assert row["seconds"] > 0
    assert row["device"] == "cpu"
    assert json.loads(row["versions"])["jfool"] == jfool.__version__
    assert row["job.base"] == [0.5] * 3


def test_progress_counts_jobs_successes_and_images():
    seen = []
    results = program.sweep(None, seen.append)
    assert [now.done for now in seen] == sorted(now.done for now in seen)
    last = seen[-1]
    assert (last.done, last.total) == (32, 32)
    assert last.successes == results.column("success").sum()
    assert last.num_queries == results.column("num_queries").sum()
    assert 0 < last.computing <= last.seconds


def test_progress_counts_the_images_of_jobs_under_way_once(tmp_path):
    seen, after = [], []

    def break_off(now):
        seen.append(now)
        if len(seen) == 6:  # after five checkpoints
            raise StopIteration

    with pytest.raises(StopIteration):
        program.sweep(tmp_path / "run", break_off)
    results = program.sweep(tmp_path / "run", after.append)
    assert seen[0].done == 0 < seen[0].num_queries < seen[1].num_queries
    shown = seen[4].num_queries + after[-1].num_queries
    assert shown == results.column("num_queries").sum()


def test_a_folder_is_gone_on_with_and_read(tmp_path):
    results = program.sweep(tmp_path / "run", note={"model": "linear"})
    again = program.sweep(tmp_path / "run", note={"model": "the same"})
    read = jfool.read_sweep(tmp_path / "run")
    for other in (again, read):
        assert other.table.equals(results.table)
        assert not len(other.missing)
    assert read.settings["note"] == {"model": "linear"}
    assert without_provenance(read.table).equals(undisturbed())


def test_what_was_chosen_at_the_start_is_not_chosen_again(tmp_path):
    lead, settings = program.arguments()
    jfool.sweep(*lead, **settings, folder=tmp_path / "run", lanes=3, chunk=8)
    jfool.sweep(*lead, **settings, folder=tmp_path / "run")
    held = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert (held["lanes"], held["chunk"]) == (3, 8)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"num_steps": 24}, "num_steps: 24 instead of 25"),
        ({"until": jfool.confident(0.91)}, r"until \(other numbers\) \(choose another folder\)"),
        ({"until": None}, "until"),
        ({"max_queries": 10}, "max_queries: 10 instead of null"),
        ({"lanes": 4}, "lanes: 4 instead of 3"),
        ({"chunk": 16}, "chunk: 16 instead of 8"),
        ({"job_ids": np.arange(32) + 1}, "job_ids"),
    ],
)
def test_other_settings_are_refused_by_name(change, name, finished):
    before = (finished / "settings.json").read_text()
    with pytest.raises(ValueError, match=f"folder: expected the settings .* another {name}"):
        program.sweep(finished, **change)
    assert (finished / "settings.json").read_text() == before


def test_a_refused_call_keeps_no_other_from_going_on(finished):
    with pytest.raises(ValueError, match="another num_steps"):
        program.sweep(finished, num_steps=24)
    assert not len(program.sweep(finished).missing)


@pytest.mark.parametrize(
    ("index", "make", "name"),
    [
        (0, lambda old: jax.random.key(8), "key"),
        (1, lambda old: sparse_fooling(boundary="wrap"), "attack: .*wrap.* instead of .*clip"),
        (2, lambda old: program.FixedOrder(old.weights * 2), r"model \(another structure, or"),
        (3, lambda old: dataclasses.replace(old, base=old.base * 0.5), "jobs"),
    ],
)
def test_another_problem_is_refused_by_name(index, make, name, finished):
    lead, settings = program.arguments()
    lead[index] = make(lead[index])
    with pytest.raises(ValueError, match=f"folder: expected the settings .* another {name}"):
        jfool.sweep(*lead, **settings, folder=finished)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lanes": 0}, "lanes: expected None or a positive number, got 0"),
        ({"segment": 0}, "segment: expected None or a positive number, got 0"),
        ({"split": 0}, "split: expected a positive number of devices, got 0"),
        ({"split": 2}, "split: expected a divisor of the 1 devices, got 2"),
        ({"devices": []}, "devices: expected at least one, .* got \\[\\]"),
        ({"checkpoint_seconds": -1.0}, "checkpoint_seconds: expected a finite .*, got -1.0"),
        ({"checkpoint_seconds": np.nan}, "checkpoint_seconds: expected a finite .*, got nan"),
        ({"on_progress": 3}, "on_progress: expected a function of a Progress, got 3"),
        ({"max_queries": 0}, "max_queries: expected None or a positive number, got 0"),
        ({"job_ids": np.zeros(32, int)}, "job_ids: expected distinct numbers"),
        ({"chunk": 0}, "chunk: expected None or a positive number"),
        ({"note": {1, 2}}, "note: expected JSON types"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, sentence, tmp_path):
    with unchecked(), pytest.raises((ValueError, TypeError), match=sentence):
        program.sweep(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_what_sweeps_need_is_named_where_it_is_missing(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("jfool.sweeps")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(jfool, "sweeps")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ImportError, match=r'jfool.sweep needs pyarrow: pip install "jfool\[sweep\]"'
    ):
        _ = jfool.sweep
    with pytest.raises(AttributeError, match="has no attribute 'sweeep'"):
        _ = jfool.sweeep


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="folder: expected a new one or that of a sweep, got"):
        program.sweep(tmp_path / "run")
    with pytest.raises(ValueError, match="folder: expected a folder, got the file"):
        program.sweep(tmp_path / "run" / "thesis.tex")
    with pytest.raises(FileNotFoundError, match="folder: expected the folder of a sweep, got"):
        jfool.read_sweep(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("content", ["{", "[1]", "{}"])
def test_damaged_settings_are_named(content, copied):
    (copied / "settings.json").write_text(content)
    for read in (jfool.read_sweep, program.sweep):
        with pytest.raises(ValueError, match=r"settings.json is damaged: "):
            read(copied)


def test_a_folder_of_an_earlier_version_is_refused(tmp_path):
    """Its jobs had the class to reach as `label`, and its settings no format."""
    program.sweep(tmp_path / "run")
    path = tmp_path / "run" / "settings.json"
    settings = json.loads(path.read_text())
    assert settings.pop("format") == 2
    path.write_text(json.dumps(settings))
    for read in (jfool.read_sweep, program.sweep):
        with pytest.raises(ValueError, match=r"folder: .* format 2, got .* format 1") as no:
            read(tmp_path / "run")
        assert len(str(no.value).splitlines()) == 1


def test_two_programs_do_not_write_to_one_folder(tmp_path):
    def start_another(progress):
        del progress
        with pytest.raises(ValueError, match="folder: expected one program at a time"):
            program.sweep(tmp_path / "run")
        raise StopIteration

    with pytest.raises(StopIteration):
        program.sweep(tmp_path / "run", start_another)
    assert not len(program.sweep(tmp_path / "run").missing)


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("jfool.sweeps.files.os.fsync", lambda descriptor: None)

        def fill_up(progress):
            if progress.done >= 10:
                patched.setattr("jfool.sweeps.files.os.fsync", full)

        with pytest.raises(
            OSError, match=r"could not be written \(No space left on device"
        ) as caught:
            program.sweep(tmp_path / "run", fill_up)
    assert "\n" not in str(caught.value)
    before = jfool.read_sweep(tmp_path / "run")
    assert 0 < len(before) < 32
    assert not list((tmp_path / "run" / "parts").glob(".*"))
    results = program.sweep(tmp_path / "run")
    assert without_provenance(results.table).equals(undisturbed())
