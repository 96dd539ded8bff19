"""Damaged sections, notes of runs, courses and records: read as they were, or refused."""

import json
import random
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments import lab, report
from experiments.lab import course, folder, section
from experiments.lab.section import Picture, Section, Table, publish, read_section
from experiments.lab.stored import write_record
from jfool.sweeps.sealed import DIGEST
from tests import fuzz

SECRET = b"\x89PNG\r\n\x1a\n nobody reads this"
TABLE = Table("Cells", ["one", "two"], ["row"], [[12, 0.25]], [[13, None]], [[True, False]])
RECORDS = lab.Records.of(
    color=["a", "b", "c"], target=np.arange(3), confidence=np.array([0.1, 0.5, np.nan])
)


def made(title: str) -> Section:
    return Section(
        name="su2019/one_pixel",
        title=title,
        source="Su et al. (2019), table I",
        preset="reduced",
        command="python -m experiments su2019 one_pixel reduced",
        settings={"k": [1, 5], "inner": {"until": None}},
        tables=[TABLE],
        pictures=[Picture("a.png", "A caption")],
        notes=["A note."],
        data={"counts": [1, 2, 3]},
        records=["records.parquet"],
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    folders = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("one", "other")):
        (folders / name).mkdir()
        levels = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folders / name / "a.png")
        RECORDS.write(folders / name / "records.parquet")
        publish(made(f"Title {seed}"), folders / name)
    return folders / "one", folders / "other"


def seen(run: Path) -> tuple[Any, ...]:
    found, made_with = read_section(run)
    return found, made_with, report.gather([run])[0].pictures.keys()


def test_a_damaged_section_is_the_one_that_was_published_or_refused(runs, tmp_path):
    whole, outcomes = seen(runs[0]), fuzz.Outcomes()
    shutil.copytree(runs[0], tmp_path / "run")
    path = tmp_path / "run" / section.SECTION
    content = path.read_bytes()
    for damage, text in [
        *fuzz.json_mutations(json.loads(content), fuzz.cases(300)),
        *fuzz.mutations(content, fuzz.cases(300)),
    ]:
        path.write_bytes(text)
        outcomes.check(damage, lambda: seen(tmp_path / "run"), lambda got: got[0] == whole[0])
    assert outcomes.refused > outcomes.same > 0


def test_a_section_that_somebody_wrote_becomes_a_page_without_code_or_is_refused(
    runs, tmp_path, monkeypatch, capsys
):
    """One of an earlier version, without a digest, or one whose digest was made to fit."""
    monkeypatch.setattr(report, "agenda", list)
    shutil.copytree(runs[0], tmp_path / "run")
    path, outcomes = tmp_path / "run" / section.SECTION, fuzz.Outcomes()
    value = json.loads(path.read_text())
    value.pop(DIGEST)
    out = tmp_path / "report.html"
    for damage, text in fuzz.json_mutations(value, fuzz.cases(150)):
        path.write_bytes(text)
        out.unlink(missing_ok=True)
        outcomes.check(
            damage,
            lambda: report.main(report.Settings(out, (tmp_path / "run",))),
            lambda _: harmless(out.read_text(encoding="utf-8")),
        )
        printed = capsys.readouterr().out.replace("\n", "")
        assert printed.isprintable()
    assert outcomes.refused > 20
    assert outcomes.same > 20


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen += [tag, *(name for name, _ in attrs if name.startswith("on"))]


def harmless(page: str) -> bool:
    body = page.partition("</style>")[2].replace("\n", "").replace("\xa0", " ")
    return "script" not in _Tags(page).seen and body.isprintable()


def test_a_disturbed_folder_of_sections_is_refused_by_name_and_nothing_else_is_read(runs, tmp_path):
    whole, outcomes = seen(runs[0]), fuzz.Outcomes()
    outside = tmp_path / "outside.png"
    outside.write_bytes(SECRET)
    for seed, run in fuzz.fresh_copies(runs[0], tmp_path / "run", fuzz.cases(150)):
        damage = fuzz.disturb(random.Random(seed), run, runs[1], outside)

        def pictures(run: Path = run) -> Any:
            return [(e.section, e.pictures) for e in report.gather([run])]

        outcomes.check(
            damage,
            pictures,
            lambda got: all(SECRET not in p.values() and s.name == whole[0].name for s, p in got),
        )
        assert outside.read_bytes() == SECRET
    assert outcomes.refused > 10


@pytest.mark.parametrize("file", [folder.UNFINISHED, "course.json"])
def test_notes_of_unfinished_runs(file, tmp_path):
    value = {"name": "a/b", "command": "python -m experiments a b", "settings": {"k": [1]}}
    if file == "course.json":
        value = {"1": 0.25, "20": 0.5}
    read = {
        folder.UNFINISHED: lambda: folder._kept(tmp_path),
        "course.json": lambda: course.read_course(tmp_path),
    }[file]
    write_record(tmp_path / file, value)
    whole, outcomes = read(), fuzz.Outcomes()
    content = (tmp_path / file).read_bytes()
    for damage, text in [
        *fuzz.json_mutations(json.loads(content), fuzz.cases(100)),
        *fuzz.mutations(content, fuzz.cases(100)),
    ]:
        (tmp_path / file).write_bytes(text)
        outcomes.check(damage, read, lambda got: got == whole)
    assert outcomes.refused > outcomes.same > 0


def test_damaged_records_are_refused_or_read(tmp_path):
    path, outcomes = tmp_path / "records.parquet", fuzz.Outcomes()
    RECORDS.write(path)
    for damage, content in fuzz.mutations(path.read_bytes(), fuzz.cases(200)):
        path.write_bytes(content)
        outcomes.check(
            damage,
            lambda: lab.Records.read(path),
            lambda got: repr(got.table.to_pydict()) == repr(RECORDS.table.to_pydict()),
        )
    assert outcomes.refused > outcomes.same > 0


def test_damaged_numbers_of_a_paper_are_refused_or_read(tmp_path):
    path = tmp_path / "published.toml"
    whole = b'[table_1]\n"black, k = 5" = { fooled = 40, "mean confidence" = 35.5 }\n'
    for damage, text in [*fuzz.mutations(whole, fuzz.cases(200)), ("deep", b"a=" + b"[" * 10_000)]:
        path.write_bytes(text)
        fuzz.Outcomes().check(
            damage, lambda: lab.published(str(tmp_path / "m.py")), lambda got: True
        )
