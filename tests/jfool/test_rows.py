"""Jobs that point into a data set are those that hold its images, and read only what they need."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool import rows as rows_module
from jfool.jobs import num_jobs
from jfool.sweeps import Results
from jfool.sweeps.fingerprint import digest
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    FixedOrder,
    assert_same,
    sparse_fooling,
    unchecked,
    weights,
)

MEBIBYTE = 2**20
INDEX = np.array([5, 2, 5, 0, 8, 3, 2, 6])
PHOTOS = np.random.default_rng(1).integers(0, 256, (9, *SHAPE), dtype=np.uint8)
IMAGES = np.float32(PHOTOS[INDEX] / 255.0)
LANES = 3


class Watched:
    """A data set that notes which rows are read."""

    def __init__(self, data: np.ndarray = PHOTOS) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.read: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        self.read.append(index)
        return self.data[index]


def jobs(base: Any) -> jfool.SparseJob:
    count = len(INDEX)
    return jfool.SparseJob(target=np.arange(count) % NUM_CLASSES, base=base, k=np.full(count, 2))


def swept(base: Any, **options: Any) -> Results:
    lead = jax.random.key(3), sparse_fooling(), FixedOrder(jnp.asarray(weights()))
    return jfool.sweep(*lead, jobs(base), **{"num_steps": 3, "lanes": LANES, "chunk": 8, **options})


@pytest.fixture(scope="module")
def of_images() -> Results:
    return swept(IMAGES)


@pytest.mark.parametrize("stored", ["8 bits", "floats", "a file"])
def test_rows_are_the_images_that_they_point_to(stored, tmp_path):
    data = PHOTOS
    if stored == "floats":
        data = np.float32(PHOTOS / 255.0)
    if stored == "a file":
        PHOTOS.tofile(tmp_path / "photos")
        data = np.memmap(tmp_path / "photos", np.uint8, "r", shape=PHOTOS.shape)
    rows = jfool.Rows(data, INDEX)
    assert (rows.shape, rows.dtype, len(rows), rows.ndim) == (IMAGES.shape, IMAGES.dtype, 8, 4)
    assert np.asarray(rows).dtype == np.float32
    np.testing.assert_array_equal(rows, IMAGES)
    np.testing.assert_array_equal(rows[[6, 1]], IMAGES[[6, 1]])
    np.testing.assert_array_equal(rows[2:5][1], IMAGES[3])


def test_a_grid_combines_rows_like_any_other_values():
    of_rows, of_arrays = (
        jfool.grid(jfool.SparseJob, 2, target=[0, 1], base=base, k=[1, 3])
        for base in (jfool.Rows(PHOTOS, INDEX[:3]), IMAGES[:3])
    )
    assert num_jobs(of_rows) == 2 * 3 * 2 * 2
    np.testing.assert_array_equal(of_rows.base.index, np.tile(np.repeat(INDEX[:3], 4), 2))
    np.testing.assert_array_equal(of_rows.base, of_arrays.base)
    np.testing.assert_array_equal(of_rows.k, of_arrays.k)


def test_a_run_of_rows_is_that_of_their_images():
    of_rows, of_arrays = (
        jfool.run(
            jax.random.key(3),
            sparse_fooling(),
            FixedOrder(jnp.asarray(weights())),
            jobs(base),
            num_steps=3,
        )
        for base in (jfool.Rows(PHOTOS, INDEX), IMAGES)
    )
    assert_same(of_rows, of_arrays)


def test_a_sweep_of_rows_is_that_of_their_images_and_holds_the_index(of_images):
    results = swept(jfool.Rows(PHOTOS, INDEX))
    for name in ("genotype", "confidence", "prediction", "success", "num_queries", "job.target"):
        np.testing.assert_array_equal(results.column(name), of_images.column(name), err_msg=name)
    np.testing.assert_array_equal(results.column("job.base.index"), INDEX)
    assert "job.base" not in results.table.column_names
    for some in (None, [6, 1]):
        painted = results.images(sparse_fooling(), jfool.SparseJob, some, base=PHOTOS)
        expected = of_images.images(sparse_fooling(), jfool.SparseJob, some)
        np.testing.assert_array_equal(painted, expected)
    with pytest.raises(ValueError, match=r"base: expected the data set that the rows point into"):
        results.images(sparse_fooling(), jfool.SparseJob)


def test_only_rows_of_jobs_that_enter_lanes_are_read_and_each_but_once(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "PIECE_BYTES", 2 * PHOTOS[0].nbytes)
    data = Watched()
    early = {"num_steps": 9, "until": jfool.confident(0.7), "segment": 1}
    results = swept(jfool.Rows(data, INDEX), folder=tmp_path / "run", **early)
    assert len(set(results.column("num_steps"))) > 2  # so lanes refill one by one
    distinct = np.unique(INDEX)
    assert all(len(np.unique(read)) == len(read) <= LANES for read in data.read)
    pieces, entered = data.read[:3], np.concatenate(data.read[3:])
    np.testing.assert_array_equal(np.concatenate(pieces), distinct)  # for the digest of the jobs
    assert set(entered) == set(distinct)
    assert len(entered) <= len(INDEX) + 1  # the first job's, to give the lanes their shape


def test_jobs_are_the_same_if_index_and_images_are():
    known = digest(jobs(jfool.Rows(PHOTOS, INDEX)))
    unused, used = PHOTOS.copy(), PHOTOS.copy()
    unused[1] ^= 1  # in no job
    used[3, 1, 2, 0] ^= 1
    assert digest(jobs(jfool.Rows(unused, INDEX))) == known
    assert digest(jobs(jfool.Rows(used, INDEX))) != known
    assert digest(jobs(jfool.Rows(PHOTOS, INDEX[::-1]))) != known
    assert digest(jobs(jfool.Rows(PHOTOS.view(np.int8).view(np.uint8), list(INDEX)))) == known


def test_the_digest_does_not_depend_on_the_size_of_pieces(monkeypatch):
    known = digest(jobs(jfool.Rows(PHOTOS, INDEX)))
    monkeypatch.setattr(rows_module, "PIECE_BYTES", 1)
    assert digest(jobs(jfool.Rows(PHOTOS, INDEX))) == known


def test_other_images_are_other_jobs(tmp_path):
    swept(jfool.Rows(PHOTOS, INDEX), folder=tmp_path / "run")
    swept(jfool.Rows(PHOTOS.copy(), INDEX), folder=tmp_path / "run")
    with pytest.raises(ValueError, match=r"folder: .* another jobs"):
        swept(jfool.Rows(PHOTOS ^ 1, INDEX), folder=tmp_path / "run")


FLOATS = np.float32(PHOTOS / 255.0)


@pytest.mark.parametrize(
    ("data", "index", "error", "message"),
    [
        (PHOTOS, [0, 9], ValueError, "index: expected rows of the data, 0 to 8, got 0 to 9"),
        (PHOTOS, [-1, 2], ValueError, "index: expected rows of the data, 0 to 8, got -1 to 2"),
        (PHOTOS, [0.0], TypeError, r"index: expected whole numbers \[N\], got float64"),
        (PHOTOS[0], [0], TypeError, r"data: expected an array \[M, H, W, C\] of .*, got uint8 \[4"),
        (PHOTOS.tolist(), [0], TypeError, r"data: expected an array .* got list"),
        (PHOTOS / 255, [0], TypeError, r"data: expected an array .* got float64 \[9, 4, 5, 3\]"),
    ],
)
def test_what_points_nowhere_is_refused(data, index, error, message):
    with unchecked(), pytest.raises(error, match=message) as caught:
        jfool.Rows(data, index)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "row", "message"),
    [
        (2.0, 8, r"jobs.base: expected values in \[0, 1\], got 0.0 to 2.0"),
        (np.nan, 6, r"jobs.base: expected values in \[0, 1\], got nan to nan"),
        (2.0, 1, None),  # in no job
    ],
)
def test_floats_out_of_range_are_refused_wherever_they_are(value, row, message, monkeypatch):
    monkeypatch.setattr(rows_module, "PIECE_BYTES", 2 * FLOATS[0].nbytes)
    floats = FLOATS.copy()
    floats[0, 0, 0, 0], floats[row, 1, 2, 0] = 0, value
    attack, rows = sparse_fooling(), jfool.Rows(floats, INDEX)
    if message is None:
        attack.check(jobs(rows))
        return
    with pytest.raises(ValueError, match=message):
        attack.check(jobs(rows))


def test_photographs_of_another_size_are_refused():
    rows = jfool.Rows(PHOTOS.swapaxes(1, 2), INDEX)
    with pytest.raises(ValueError, match=r"jobs.base: .*\[N, 4, 5, 3\], got shape \[8, 5, 4, 3\]"):
        sparse_fooling().check(jobs(rows))


def test_thousands_of_photographs_take_the_memory_of_those_in_lanes(tmp_path):
    """As floats, these are 1 148 MiB."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.jfool.sweep_photographs_program", "2000", str(tmp_path)],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["jobs"] == 2000
    assert report["peak_bytes"] - report["map_bytes"] < 400 * MEBIBYTE
