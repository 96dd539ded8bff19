"""What is too large for a row of the table lies beside it, and is found there again."""

import math

import jax
import numpy as np
import pytest
from etils import epath

import jfool
from jfool.sweeps import large, without_provenance
from jfool.sweeps.files import write_whole
from jfool.sweeps.plan import plan
from jfool.sweeps.run_folder import RunFolder
from tests.jfool.helpers import FixedOrder, unchecked, weights

SHAPE, NUM_CLASSES, CHILDREN, RUNS, STEPS = (4, 5, 3), 4, 6, 3, 5
GENES = NUM_CLASSES * math.prod(SHAPE)
DTYPES = {"uint8": 1, "float32": 4}


@pytest.fixture(autouse=True)
def nothing_large_fits_the_table(monkeypatch):
    """Genes of four images are too large, their labels and the record are not."""
    monkeypatch.setattr(large, "MOST_BYTES", GENES - 1)


def arguments(dtype="uint8"):
    encoding = jfool.DirectPixels(SHAPE, "rgb", dtype=dtype)
    attack = jfool.EvolvedFooling(
        encoding, NUM_CLASSES, jfool.MAPElites(CHILDREN, record=STEPS + 1)
    )
    jobs = jfool.EvolutionJob(np.tile(np.arange(NUM_CLASSES), (RUNS, 1)))
    return attack, FixedOrder(weights()), jobs


def sweep(folder, dtype="uint8"):
    lead = jax.random.key(3), *arguments(dtype)
    return jfool.sweep(*lead, num_steps=STEPS, lanes=2, chunk=CHILDREN, folder=folder)


def test_genotypes_lie_in_files_and_images_are_those_of_a_sweep_in_memory(tmp_path):
    found, held = sweep(tmp_path / "run"), sweep(None)
    attack = arguments()[0]
    files = {path.name for path in (tmp_path / "run" / "large").iterdir()}
    assert set(found.column("job_id")) == set(range(RUNS))
    assert set(found.table["genotype"].to_pylist()) == files
    assert len(files) == RUNS
    genes = found.genotypes(attack, jfool.EvolutionJob)
    assert (genes.dtype, genes.shape) == (np.uint8, (RUNS, NUM_CLASSES, *SHAPE))
    np.testing.assert_array_equal(genes, held.column("genotype"))
    for rows in (None, [2], [1, 0]):
        np.testing.assert_array_equal(
            found.images(attack, jfool.EvolutionJob, rows),
            held.images(attack, jfool.EvolutionJob, rows),
        )
    for name in ("confidence", "notes.wins", "num_queries"):
        np.testing.assert_array_equal(found.column(name), held.column(name))


def test_only_the_rows_that_are_asked_for_are_read(tmp_path, monkeypatch):
    found = sweep(tmp_path / "run")
    read = []
    original = large.read_row
    monkeypatch.setattr(
        "jfool.sweeps.results.read_row",
        lambda folder, name: read.append(name) or original(folder, name),
    )
    found.genotypes(arguments()[0], jfool.EvolutionJob, [1])
    assert read == [found.table["genotype"][1].as_py()]


def test_what_fits_a_row_stays_in_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(large, "MOST_BYTES", GENES)
    found = sweep(tmp_path / "run")
    assert not (tmp_path / "run" / "large").exists()
    np.testing.assert_array_equal(found.column("genotype"), sweep(None).column("genotype"))


def all_but_parts(path, content):
    if path.name.endswith(".parquet"):
        raise OSError("no space")
    write_whole(path, content)


def test_a_part_that_was_never_written_leaves_files_that_the_next_start_writes_again(
    tmp_path, monkeypatch
):
    whole = sweep(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("jfool.sweeps.run_folder.write_whole", all_but_parts)
        with pytest.raises(OSError, match="the same call resumes from there"):
            sweep(tmp_path / "run")
    orphans = {path.name for path in (tmp_path / "run" / "large").iterdir()}
    assert orphans
    assert not len(RunFolder(tmp_path / "run").results())
    found = sweep(tmp_path / "run")
    assert without_provenance(found.table).equals(without_provenance(whole.table))
    assert orphans <= {path.name for path in (tmp_path / "run" / "large").iterdir()}
    assert len(list((tmp_path / "run" / "large").iterdir())) == RUNS


@pytest.mark.parametrize("damage", ["flip", "delete"])
def test_a_damaged_file_is_named_and_its_jobs_run_again(damage, tmp_path):
    found = sweep(tmp_path / "run")
    before = found.column("genotype")
    path = tmp_path / "run" / "large" / found.table["genotype"][0].as_py()
    if damage == "delete":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path.name} is damaged .* delete the part") as caught:
        found.column("genotype")
    assert len(str(caught.value).splitlines()) == 1
    for part in (tmp_path / "run" / "parts").iterdir():
        part.unlink()
    np.testing.assert_array_equal(sweep(tmp_path / "run").column("genotype"), before)


def test_a_table_cannot_lead_out_of_the_folder(tmp_path):
    outside = tmp_path / "secret.npy"
    np.save(outside, np.arange(3))
    content = outside.read_bytes()
    (tmp_path / f"{large.digest_of(content)}.npy").write_bytes(content)
    with pytest.raises(ValueError, match="no name of such a file"):
        large.read_row(epath.Path(tmp_path / "run"), f"../{large.digest_of(content)}.npy")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_plan_counts_the_archive(dtype, tmp_path):
    attack, model, jobs = arguments(dtype)
    with unchecked():
        report = plan(attack, model, jobs, num_steps=STEPS, lanes=2, chunk=CHILDREN)
    size = DTYPES[dtype]
    assert report.large_bytes == RUNS * GENES * size
    found = sweep(tmp_path / "run", dtype)
    files = sum(found.column("genotype", [row]).nbytes for row in range(RUNS))
    assert report.large_bytes == files
    texts = sum(len(found.table[name][0].as_py()) for name in ("device", "host", "versions"))
    numbers = sum(
        column.nbytes
        for name in without_provenance(found.table).column_names
        if name != "genotype"
        for column in [found.column(name)]
    )
    assert report.results_bytes == numbers + (8 + texts) * RUNS  # 8: the seconds
    children = CHILDREN * math.prod(SHAPE) * size
    per_cell = NUM_CLASSES * 4  # bytes of one number for each cell
    record = 2 * (STEPS + 1) * per_cell
    archive = GENES * size + (2 + 1 + NUM_CLASSES) * per_cell + record
    lane = per_cell + 8 + 4 + 1 + 1 + 4 + 4 + 4  # the job, key, step, two flags, three counts
    assert report.checkpoint_bytes == 2 * (archive + children + 4 * CHILDREN + 4 + lane)


def test_files_may_be_read_by_whom_the_mask_lets(tmp_path):
    (tmp_path / "plain").touch()
    write_whole(epath.Path(tmp_path / "whole"), b"content")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "whole"]
