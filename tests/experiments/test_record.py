"""JSON that any reader takes, files that are whole, versions that are true."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from experiments.lab import record


def test_nan_and_infinity_become_null_and_arrays_lists():
    value = {"a": float("nan"), "b": np.array([1.0, np.inf]), "c": (np.int32(3), Path("x"))}
    assert record.json_safe(value) == {"a": None, "b": [1.0, None], "c": [3, "x"]}


def test_the_json_line_is_one_line(capsys):
    record.print_json({"text": "two\nlines", "value": float("nan")})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"text": "two\nlines", "value": None}


def test_a_record_needs_a_place(tmp_path):
    (tmp_path / "file").write_text("")
    record.claim_file(tmp_path / "a" / "b" / "r.json", "out")
    with pytest.raises(ValueError, match="out: expected a file, got the folder"):
        record.claim_file(tmp_path, "out")
    with pytest.raises(ValueError, match="out: expected a folder to write to"):
        record.claim_file(tmp_path / "file" / "below.json", "out")


def test_a_link_in_the_folder_is_replaced_not_followed(tmp_path):
    outside = tmp_path / "outside.json"
    outside.write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "r.json").symlink_to(outside)
    record.write_json(tmp_path / "run" / "r.json", {"a": 1})
    assert outside.read_text() == "precious"
    assert json.loads((tmp_path / "run" / "r.json").read_text()) == {"a": 1}


def test_a_record_that_is_no_json_leaves_the_old_file(tmp_path):
    record.write_json(tmp_path / "r.json", {"a": 1})
    with pytest.raises(TypeError):
        record.write_json(tmp_path / "r.json", {"a": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
    assert json.loads((tmp_path / "r.json").read_text()) == {"a": 1}


def test_the_commit_is_that_of_the_folder_and_says_when_files_differ(tmp_path):
    def git(*words: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "f").write_text("1")
    git("add", "f")
    git("commit", "-q", "-m", "one")
    git("tag", "-a", "v1", "-m", "v1")
    commit = git("rev-parse", "HEAD")
    assert record.git_commit(tmp_path) == commit
    (tmp_path / "f").write_text("2")
    assert record.git_commit(tmp_path) == f"{commit}-dirty"


def test_outside_a_clone_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record.git_commit(tmp_path) is None


def test_versions_name_packages_and_device():
    versions = record.versions()
    assert {"python", "jfool", "jax", "flax"} <= versions["versions"].keys()
    assert "cpu" in versions["device"]
