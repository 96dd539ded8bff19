"""The code in the documentation runs."""

import json
import re
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCKS = {  # that of CONTRIBUTING is run by tests/experiments/test_contributing.py
    f"{path.name} block {i}": code
    for path in PAGES
    if path.name != "CONTRIBUTING.md"
    for i, code in enumerate(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S))
}


def test_there_are_examples_to_run():
    assert any(name.startswith("README.md") for name in BLOCKS)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_relative_link_of_the_documentation_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_no_picture_exceeds_300_kilobytes():
    pictures = [path for path in (ROOT / "docs").rglob("*.png") if "_build" not in path.parts]
    assert pictures
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in pictures}
    assert {name: size for name, size in sizes.items() if size > 300_000} == {}


# tests/wheel.sh runs the first block of the README from the wheel.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "README.md block 0" else name
        for name in BLOCKS
    ],
)
def test_every_python_block_of_the_documentation_runs(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(compile(BLOCKS[name], name, "exec"), {"__name__": "documentation"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs").glob("*.ipynb")), ids=lambda path: path.name
)
def test_every_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {"__name__": "notebook"}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), path.name, "exec"), names)
