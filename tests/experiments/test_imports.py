"""Arrows of experiments: a paper's folder imports the lab, never another paper's folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "experiments"
FOLDERS = sorted(path.parent for path in ROOT.glob("*/__init__.py"))


def imported(source: str) -> Iterator[str]:
    """Dotted names of everything of `experiments` that a module imports, at whatever depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def folders_of(names: Iterator[str]) -> set[str]:
    known = {folder.name for folder in FOLDERS}
    parts = (name.split(".") for name in names)
    return {p[1] for p in parts if p[0] == "experiments" and len(p) > 1 and p[1] in known}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_imports_itself_and_the_lab_alone(folder):
    for file in folder.glob("*.py"):
        found = folders_of(imported(file.read_text())) - {folder.name, "lab"}
        assert not found, f"{file.relative_to(ROOT)} imports {sorted(found)}"


def test_the_lab_imports_no_experiment():
    for file in (ROOT / "lab").glob("*.py"):
        names = (name for name in imported(file.read_text()) if name.startswith("experiments."))
        assert all(name.startswith("experiments.lab") for name in names), file.name


@pytest.mark.parametrize(
    "source",
    ["from experiments.kumano2020 import x", "def f():\n    import experiments.kumano2020.y"],
)
def test_imports_are_seen_wherever_they_stand(source):
    assert folders_of(imported(source)) == {"kumano2020"}
