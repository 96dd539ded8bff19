"""Damaged folders of sweeps are read as they were, or refused in a sentence; genomes too."""

import functools
import importlib
import io
import json
import logging
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from etils import epath

import jfool
from jfool.encodings.cppn import CPPN, load_genome, save_genome
from jfool.sweeps import large
from jfool.sweeps.run_folder import RunFolder
from jfool.sweeps.stored_settings import SETTINGS
from tests import fuzz
from tests.jfool import sweep_program as program

SECRET = b"nobody reads this"


@functools.cache
def undamaged(folder: Path) -> tuple[Any, ...]:
    return all_of(folder)


def all_of(folder: Path) -> tuple[Any, ...]:
    """Everything that a caller can see of a run."""
    found = jfool.read_sweep(folder)
    settings = {name: found.settings[name] for name in ("num_jobs", "job_ids", "key", "note")}
    columns = {name: found.column(name).tolist() for name in found.table.column_names}
    return columns, found.missing.tolist(), settings


def stop_after(segments: int) -> Any:
    left = iter(range(segments))

    def on_progress(progress):
        del progress
        if next(left) == segments - 1:
            raise StopIteration

    return on_progress


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """Two runs of the same jobs by other keys, broken off: parts, checkpoints and large columns."""
    folders = tmp_path_factory.mktemp("sweeps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "MOST_BYTES", 20)
        for name, key in (("one", 7), ("other", 8)):
            lead, settings = program.arguments()
            lead[0] = jax.random.key(key)
            settings |= {"lanes": program.LANES, "chunk": 8, "segment": 4}
            with pytest.raises(StopIteration):
                jfool.sweep(
                    *lead,
                    **settings,
                    folder=folders / name,
                    checkpoint_seconds=0.0,
                    on_progress=stop_after(12),
                    note={"by": "hand", "levels": [1, 2.5, {"deep": None}]},
                )
    assert (folders / "one" / "large").exists()
    return folders / "one", folders / "other"


@pytest.fixture(scope="module")
def results(runs, tmp_path_factory) -> Path:
    """The first run without its checkpoints, which results do not need."""
    folder = tmp_path_factory.mktemp("results") / "run"
    shutil.copytree(runs[0], folder, ignore=shutil.ignore_patterns("checkpoints"))
    return folder


def subset(found: tuple[Any, ...], whole: tuple[Any, ...]) -> bool:
    """Whether rows are those of the undamaged run, and all others are said to be missing."""
    columns, missing, settings = found
    rows = [whole[0]["job_id"].index(job) for job in columns["job_id"]]
    same = all(column == [whole[0][n][row] for row in rows] for n, column in columns.items())
    absent = sorted({*whole[0]["job_id"]} - {*columns["job_id"]} | {*whole[1]})
    return same and missing == absent and settings == whole[2]


def test_a_damaged_folder_is_read_as_it_was_or_refused(runs, results, tmp_path):
    whole, outcomes = undamaged(runs[0]), fuzz.Outcomes()
    outside = tmp_path / "outside.json"
    outside.write_bytes(SECRET)
    for seed, folder in fuzz.fresh_copies(results, tmp_path / "run", fuzz.cases(150)):
        damage = fuzz.disturb(random.Random(seed), folder, runs[1], outside)
        outcomes.check(damage, lambda f=folder: all_of(f), lambda got: subset(got, whole))
        assert outside.read_bytes() == SECRET
    assert outcomes.refused > outcomes.same > 10


def test_settings_that_are_not_what_was_written_are_refused(runs, results, tmp_path):
    whole, outcomes = undamaged(runs[0]), fuzz.Outcomes()
    shutil.copytree(results, tmp_path / "run")
    path = tmp_path / "run" / SETTINGS
    content = path.read_bytes()
    for damage, text in [
        *fuzz.json_mutations(json.loads(content), fuzz.cases(150)),
        *fuzz.mutations(content, fuzz.cases(100)),
    ]:
        path.write_bytes(text)
        outcomes.check(damage, lambda: all_of(tmp_path / "run"), lambda got: subset(got, whole))
    assert outcomes.refused > outcomes.same > 0


def test_settings_of_an_earlier_version_which_have_no_digest_end_in_no_trace(results, tmp_path):
    outcomes = fuzz.Outcomes()
    shutil.copytree(results, tmp_path / "run")
    path = tmp_path / "run" / SETTINGS
    value = json.loads(path.read_text())
    del value["digest"]
    for damage, text in fuzz.json_mutations(value, fuzz.cases(100)):
        path.write_bytes(text)
        outcomes.check(damage, lambda: all_of(tmp_path / "run"), lambda got: True)
    assert outcomes.refused > 0 < outcomes.same


def resealed(part: Path, content: bytes) -> None:
    """Other content for a part, under the name that has its digest."""
    part.unlink()
    name = f"{part.stem.rpartition('-')[0]}-{large.digest_of(content)}.parquet"
    part.with_name(name).write_bytes(content)


def test_parts_whose_digest_was_made_to_fit_end_in_no_trace(results, tmp_path):
    """Somebody who means harm can do that; what they say of jobs cannot be told from the truth."""
    (part, *_), outcomes = sorted((results / "parts").iterdir()), fuzz.Outcomes()
    damaged = fuzz.mutations(part.read_bytes(), fuzz.cases(100))
    for _, folder in fuzz.fresh_copies(results, tmp_path / "run", fuzz.cases(100)):
        damage, content = next(damaged)
        resealed(folder / "parts" / part.name, content)
        outcomes.check(damage, lambda f=folder: all_of(f), lambda got: True)
    assert outcomes.refused > 20


def test_a_few_bytes_that_stand_for_billions_are_refused(results, tmp_path):
    shutil.copytree(results, tmp_path / "run")
    part, *_ = sorted((tmp_path / "run" / "parts").iterdir())
    many = io.BytesIO()
    pq.write_table(pa.table({"job_id": np.zeros(2**21, np.int32)}), many)
    resealed(part, many.getvalue())
    with pytest.raises(ValueError, match=r"expected at most 32 rows, got 2097152\): delete it"):
        jfool.read_sweep(tmp_path / "run")
    with zipfile.ZipFile(tmp_path / "g.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(f"{name}.npy", bytes(2**27))
    with pytest.raises(ValueError, match=r"g\.npz: expected a genome, got another file"):
        load_genome(tmp_path / "g.npz")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }".ljust(117)
    content = b"\x93NUMPY\x01\x00v\x00" + header + b"\n"
    name = f"{large.digest_of(content)}.npy"
    (tmp_path / "run" / "large" / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is damaged .*: delete the part"):
        large.read_row(epath.Path(tmp_path / "run" / "large"), name)


def break_settings(folder: Path) -> None:
    (folder / SETTINGS).write_text((folder / SETTINGS).read_text().replace("25", "26"))


def break_part(folder: Path) -> None:
    (part, *_) = (folder / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:-1])


def link_out(name: str) -> Any:
    def act(folder: Path) -> None:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return act


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (break_settings, f"{SETTINGS} is damaged: .*restore it, or choose another folder"),
        (break_part, r"\.parquet is damaged .*: delete it, and its jobs will run again"),
        (link_out("parts"), "parts: expected a folder inside that of the sweep, got a link"),
        (link_out("large"), "large: expected a folder inside that of the sweep, got a link"),
        (link_out("checkpoints"), "checkpoints: expected a folder inside"),
        (link_out("checkpoints/0"), "checkpoints/0: expected a folder inside"),
        (link_out(".lock-0"), "folder: expected a folder to write to, got .*run"),
    ],
)
def test_a_damaged_folder_is_refused_before_anything_is_compiled_or_written(
    damage, sentence, runs, tmp_path, monkeypatch
):
    shutil.copytree(runs[0], tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    damage(tmp_path / "run")
    monkeypatch.setattr(
        importlib.import_module("jfool.sweeps.sweep"),
        "compile_sweep",
        lambda *_, **__: pytest.fail("compiled"),
    )
    with pytest.raises(ValueError, match=sentence) as caught:
        program.sweep(
            str(tmp_path / "run"), note={"by": "hand", "levels": [1, 2.5, {"deep": None}]}
        )
    assert len(str(caught.value)) <= 300
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_files_of_the_system_are_no_part_of_a_run(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "run")
    for folder in (".", "parts", "large", "checkpoints", "checkpoints/0"):
        for name in (".DS_Store", "._jobs-0000000000-1-0123456789abcdef.parquet", "._000001"):
            (tmp_path / "run" / folder / name).write_bytes(b"\x00\x05\x16\x07")
    assert all_of(tmp_path / "run") == undamaged(runs[0])
    states = RunFolder(runs[0]).states()
    assert same_states(RunFolder(tmp_path / "run").states(), states)


def test_a_run_that_is_copied_while_it_writes_is_read_so_far(runs, results, tmp_path):
    """Parts that came too late are missing, and what was under way is passed over."""
    whole = undamaged(runs[0])
    shutil.copytree(results, tmp_path / "run")
    last = max((tmp_path / "run" / "parts").iterdir())
    last.rename(last.with_name(".0123456789abcdef.part"))
    found = all_of(tmp_path / "run")
    assert subset(found, whole)
    assert len(found[1]) > len(whole[1])


@pytest.mark.parametrize("damage", ["bytes", "disturbed"])
def test_states_of_jobs_come_from_an_undamaged_checkpoint_of_this_sweep(
    damage, runs, tmp_path, caplog
):
    caplog.set_level(logging.CRITICAL, "jfool")
    outcomes = fuzz.Outcomes()
    shutil.copytree(runs[0], tmp_path / "sound")
    checkpoints = sorted((runs[0] / "checkpoints" / "0").iterdir())
    sound = [RunFolder(runs[0]).states()]
    for newest in reversed(checkpoints):
        shutil.rmtree(tmp_path / "sound" / "checkpoints" / "0" / newest.name)
        sound.append(RunFolder(tmp_path / "sound").states())
    shutil.rmtree(tmp_path / "sound")
    outside = tmp_path / "outside.json"
    outside.write_bytes(SECRET)
    for seed, folder in fuzz.fresh_copies(runs[0], tmp_path / "run", fuzz.cases(12)):
        rng = random.Random(seed)
        newest = folder / "checkpoints" / "0" / checkpoints[-1].name
        if damage == "bytes":
            path = rng.choice(fuzz.files_of(newest))
            name, content = next(fuzz.mutations(path.read_bytes(), 1, seed))
            path.write_bytes(content)
        else:
            other = runs[1] / "checkpoints" / "0" / newest.name
            name = fuzz.disturb(rng, newest, other, outside)
        outcomes.check(
            name,
            lambda f=folder: RunFolder(f).states(),
            lambda got: any(same_states(got, states) for states in sound[:2]),
        )
        assert outside.read_bytes() == SECRET


def same_states(got: dict[int, Any], states: dict[int, Any]) -> bool:
    return got.keys() == states.keys() and all(
        np.array_equal(got[job][name], array)
        for job, state in states.items()
        for name, array in state.items()
    )


ENCODING = CPPN((6, 5, 3), "hsv", max_nodes=12, max_connections=20)


@pytest.fixture(scope="module")
def genome() -> Any:
    start, vary = ENCODING.start(jax.random.key(0), 2), jax.jit(ENCODING.vary)
    for generation in range(8):
        halves = (jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], start) for i in (0, 1))
        start = vary(jax.random.key(generation), *halves, jnp.int32(0))
    return jax.tree.map(lambda leaf: np.asarray(leaf[0]), start)


def test_a_damaged_genome_is_the_one_that_was_saved_or_refused(genome, tmp_path):
    path, outcomes = tmp_path / "genome.npz", fuzz.Outcomes()
    save_genome(path, ENCODING, genome)

    def same(got: Any) -> bool:
        arrays = jax.tree.leaves(got[1]), jax.tree.leaves(genome)
        return got[0] == ENCODING and all(map(np.array_equal, *arrays))

    for damage, content in fuzz.mutations(path.read_bytes(), fuzz.cases(400)):
        path.write_bytes(content)
        outcomes.check(damage, lambda: load_genome(path), same)
    assert outcomes.refused > outcomes.same > 0
