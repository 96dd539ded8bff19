"""The example of CONTRIBUTING: a new paper's table in one file, run as it is printed."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.experiments.helpers import run

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(language):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return text


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doe2030")
    (folder / "published.toml").write_text(block("toml"))
    (folder / "table_1.py").write_text(block("python"))
    spec = importlib.util.spec_from_file_location("table_1", folder / "table_1.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["table_1"] = module  # where the comments of its settings are looked for
    spec.loader.exec_module(module)
    yield module.EXPERIMENT
    del sys.modules["table_1"]


def test_a_new_table_takes_some_seventy_lines():
    assert len(block("python").splitlines()) <= 75


@pytest.mark.usefixtures("tiny")
def test_the_example_runs_and_shows_the_papers_numbers(experiment, tmp_path):
    section = run(experiment, "doe2030 table_1", tmp_path, ks=(1, 5))
    (table,) = section.tables
    assert table.rows == ["black, k = 1", "black, k = 5", "black, k = 125"]
    place = list(table.columns).index("mean confidence")
    assert [row[place] for row in table.paper or ()] == [None, 35.5, 98.7]
    found = pq.read_table(tmp_path / "records.parquet").to_pydict()
    confidences = [c for c, k in zip(found["confidence"], found["k"], strict=True) if k == 1]
    assert table.measured[0][place] == pytest.approx(100 * sum(confidences) / len(confidences))
    assert json.loads((tmp_path / "section.json").read_text())["name"] == "doe2030/table_1"
    assert "ks 1 5 (5 125)" in list(section.notes)[-1]
    assert {p.name for p in tmp_path.glob("*.png")} == {"1.png", "5.png"}
