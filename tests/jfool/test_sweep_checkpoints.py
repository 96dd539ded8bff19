"""A checkpoint that is not what was written is passed over for the one before, and said to be."""

import functools
import logging
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import jfool
from jfool.sweeps import checkpoint, without_provenance
from jfool.sweeps.files import open_path
from jfool.sweeps.run_folder import RunFolder
from tests.jfool import sweep_program as program

ARRAYS = {"job_ids": np.arange(3), "population": np.random.default_rng(0).normal(size=(3, 40))}


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {"flipped": flip_a_bit, "truncated": truncate, "deleted": Path.unlink}


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@functools.cache
def undisturbed() -> pa.Table:
    return without_provenance(program.sweep(None).table)


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory) -> Path:
    """A run with three checkpoints that was broken off in the middle."""
    folder = tmp_path_factory.mktemp("sweep") / "run"
    segments = iter(range(12))

    def break_off(progress):
        del progress
        if next(segments) == 11:
            raise StopIteration

    with pytest.raises(StopIteration):
        program.sweep(folder, break_off)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_arrays_come_back_or_those_of_the_checkpoint_before(damage, tmp_path, caplog):
    """Whichever file is damaged."""
    folder = open_path(tmp_path / "checkpoints")
    for number in range(2):
        checkpoint.save(folder, {**ARRAYS, "number": np.array([number] * 3)})
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    passed_over = 0
    for name in [path.relative_to(kept) for path in files_of(kept / "000001")]:
        DAMAGES[damage](Path(folder) / name)
        with caplog.at_level(logging.WARNING, "jfool"):
            arrays = checkpoint.load(folder)
        older = int(arrays["number"][0]) == 0
        assert older == ("is damaged" in caplog.text)
        np.testing.assert_array_equal(arrays["population"], ARRAYS["population"])
        passed_over += older
        caplog.clear()
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
    assert passed_over >= 2


def test_content_that_was_not_written_so_is_passed_over_where_orbax_sees_nothing(
    tmp_path, monkeypatch, caplog
):
    folder = open_path(tmp_path)
    checkpoint.save(folder, {**ARRAYS, "number": np.array([0])})
    with monkeypatch.context() as patched:  # the digest of other arrays
        of_others = checkpoint.digest({"number": np.array([2])})
        patched.setattr(checkpoint, "digest", lambda arrays: of_others)
        checkpoint.save(folder, {**ARRAYS, "number": np.array([1])})
    with caplog.at_level(logging.WARNING, "jfool"):
        assert checkpoint.load(folder)["number"] == [0]
    assert "000001 is damaged (its content is not what was written)" in caplog.text


def test_only_the_last_few_are_kept(tmp_path):
    folder = open_path(tmp_path)
    for number in range(5):
        checkpoint.save(folder, {**ARRAYS, "number": np.array([number])})
        assert checkpoint.load(folder)["number"] == [number]
    assert sorted(path.name for path in folder.iterdir()) == ["000002", "000003", "000004"]


def test_nothing_is_loaded_where_nothing_was_saved(tmp_path):
    assert checkpoint.load(open_path(tmp_path / "none")) == {}


@pytest.mark.parametrize("damage", [*DAMAGES, "removed", "all damaged"])
def test_a_sweep_goes_on_from_an_older_checkpoint(damage, broken_off, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(broken_off, folder)
    *older, newest = sorted((folder / "checkpoints" / "0").iterdir())
    assert len(older) == 2
    if damage == "removed":
        shutil.rmtree(newest)
    elif damage == "all damaged":
        for path in files_of(folder / "checkpoints"):
            truncate(path)
    else:
        for path in files_of(newest):
            DAMAGES[damage](path)
    with caplog.at_level(logging.WARNING, "jfool"):
        results = program.sweep(folder)
    assert (damage == "removed") != ("is damaged" in caplog.text)
    assert without_provenance(results.table).equals(undisturbed())


def test_jobs_under_way_go_on_where_they_were(broken_off, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(broken_off, folder)
    states = RunFolder(folder).states()
    done = set(RunFolder(folder).finished().tolist())
    assert len(states) == program.LANES
    assert not done & states.keys()
    assert all(state["step"] > 0 for state in states.values())


def test_going_on_costs_less_than_starting_those_jobs_anew(broken_off, tmp_path):
    segments = {}
    for name in ("with", "without"):
        shutil.copytree(broken_off, tmp_path / name)
        if name == "without":
            shutil.rmtree(tmp_path / name / "checkpoints")
        seen = []
        program.sweep(tmp_path / name, seen.append, lanes=program.LANES)
        segments[name] = len(seen)
    assert segments["with"] < segments["without"]


@pytest.mark.parametrize(
    "place",
    [0.3, "truncated", *(pytest.param(x, marks=pytest.mark.slow) for x in (0.05, 0.6, 0.9))],
)
def test_a_damaged_part_is_named(place, broken_off, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(broken_off, folder)
    part = files_of(folder / "parts")[0]
    if place == "truncated":
        truncate(part)
    else:
        content = bytearray(part.read_bytes())
        content[int(place * len(content))] ^= 4
        part.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{part.name} is damaged .*: delete it, and its jobs"):
        RunFolder(folder).results()
    part.unlink()
    assert without_provenance(program.sweep(folder).table).equals(undisturbed())


def test_a_job_in_two_parts_is_an_error(broken_off, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(broken_off, folder)
    part = files_of(folder / "parts")[0]
    shutil.copy(part, part.with_name(part.name.replace("jobs", "again")))
    with pytest.raises(ValueError, match=r"expected each job once, got \[\d+"):
        RunFolder(folder).results()


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        *((value, "a path, got ") for value in (None, 5, b"runs", ["runs"], "", "a\0b", "\ud800")),
        ("gs://bucket/run", r"a path that can be reached, .* \(pip install gcsfs\)"),
        ("s3://bucket/run", r"a path that can be reached, .* \(pip install s3fs\)"),
        ("foo://bucket/run", "a path on a disk or gs://, s3://, az://, hf://, got 'foo://bucket"),
        ("http://host/" + "x" * 999, "a path on a disk or gs://, .*, got 'http://host/x"),
    ],
)
def test_folders_that_are_no_paths_are_refused(folder, sentence, monkeypatch):
    monkeypatch.setattr("jfool.sweeps.files.find_spec", lambda name: None)
    with pytest.raises((TypeError, ValueError), match=f"^folder: expected {sentence}") as caught:
        jfool.read_sweep(folder)
    assert len(str(caught.value)) <= 300
