"""Damaged folders of sweeps are read as they were, or refused in a sentence; genomes too."""

import functools
import json
import logging
import random
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    (folders / "outside.json").write_bytes(SECRET)
    assert (folders / "one" / "large").exists()
    return folders / "one", folders / "other"


def subset(found: tuple[Any, ...], whole: tuple[Any, ...]) -> bool:
    """Whether rows are those of the undamaged run, and all others are said to be missing."""
    columns, missing, settings = found
    rows = [whole[0]["job_id"].index(job) for job in columns["job_id"]]
    same = all(column == [whole[0][n][row] for row in rows] for n, column in columns.items())
    absent = sorted({*whole[0]["job_id"]} - {*columns["job_id"]} | {*whole[1]})
    return same and missing == absent and settings == whole[2]


def test_a_damaged_folder_is_read_as_it_was_or_refused(runs, tmp_path):
    whole, outcomes = undamaged(runs[0]), fuzz.Outcomes()
    outside = tmp_path / "outside.json"
    outside.write_bytes(SECRET)
    for seed, folder in fuzz.fresh_copies(runs[0], tmp_path / "run", fuzz.cases(150)):
        damage = fuzz.disturb(random.Random(seed), folder, runs[1], outside)
        outcomes.check(damage, lambda f=folder: all_of(f), lambda got: subset(got, whole))
        assert outside.read_bytes() == SECRET
    assert outcomes.same > 10
    assert outcomes.refused > 50


def test_settings_that_are_not_what_was_written_are_refused(runs, tmp_path):
    whole, outcomes = undamaged(runs[0]), fuzz.Outcomes()
    shutil.copytree(runs[0], tmp_path / "run")
    path = tmp_path / "run" / SETTINGS
    content = path.read_bytes()
    damaged = [
        *fuzz.json_mutations(json.loads(content), fuzz.cases(150)),
        *fuzz.mutations(content, fuzz.cases(100)),
    ]
    for damage, text in damaged:
        path.write_bytes(text)
        outcomes.check(damage, lambda: all_of(tmp_path / "run"), lambda got: subset(got, whole))
    assert outcomes.refused > outcomes.same > 0


def resealed(path: Path, content: bytes) -> None:
    """In place of a file that is named by its digest."""
    path.unlink()
    name = path.stem.rpartition("-")[0]
    digest = large.digest_of(content)
    path.with_name(f"{name}-{digest}{path.suffix}").write_bytes(content)


def test_parts_whose_digest_was_made_to_fit_end_in_no_trace(runs, tmp_path):
    """Somebody who means harm can do that; what they say of jobs cannot be told from the truth."""
    (part, *_) = sorted((runs[0] / "parts").iterdir())
    for (damage, content), (_, folder) in zip(
        fuzz.mutations(part.read_bytes(), fuzz.cases(150)),
        fuzz.fresh_copies(runs[0], tmp_path / "run", fuzz.cases(150)),
        strict=True,
    ):
        resealed(folder / "parts" / part.name, content)
        fuzz.Outcomes().check(damage, lambda f=folder: all_of(f), lambda got: True)


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
