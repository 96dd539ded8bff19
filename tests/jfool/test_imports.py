"""Arrows point one way: experiments -> models, jfool; and neither of the two to another."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "jfool": {"models", "experiments", "tests", "flax"},
    "models": {"jfool", "experiments", "tests"},
    "experiments": {"tests"},
}


def imported(source: str) -> Iterator[str]:
    """Top-level names of everything that a module imports, at whatever depth it does so."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize(("package", "forbidden"), FORBIDDEN.items(), ids=FORBIDDEN.keys())
def test_arrows_point_one_way(package, forbidden):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        found = forbidden & set(imported(file.read_text()))
        assert not found, f"{file.relative_to(ROOT)} imports {sorted(found)}"


@pytest.mark.parametrize(
    "source", ["import flax.nnx as n", "from flax import nnx", "def f():\n    import flax"]
)
def test_imports_are_seen_wherever_they_stand(source):
    assert set(imported(source)) == {"flax"}


def test_all_names_that_jfool_promises_exist():
    import jfool

    for package in (jfool, jfool.attacks, jfool.encodings, jfool.search):
        assert len(set(package.__all__)) == len(package.__all__)
        assert all(hasattr(package, name) for name in package.__all__)


def test_every_package_of_jfool_is_in_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    inits = (ROOT / "jfool").rglob("__init__.py")
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in inits}
    assert set(project["tool"]["setuptools"]["packages"]) == packages
