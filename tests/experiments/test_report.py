"""The report: one page that holds everything, and tells what is missing."""

import base64
import dataclasses
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import report
from experiments.agenda import Item
from experiments.lab import section
from experiments.lab.section import Picture, Section, Table, publish
from experiments.lab.settings import check

RUN = "python -m experiments"
AGENDA = [
    Item("kumano2020/theory", "Theory", "Kumano et al. (2020)", f"{RUN} kumano2020 theory paper"),
    Item("kumano2020/transfer", "Transfer", "table 18", f"{RUN} kumano2020 transfer paper"),
    Item(
        "su2019/one_pixel", "One pixel", "Su et al. (2019)", f"{RUN} su2019 one_pixel paper --k 1"
    ),
]
HOSTILE = "<script>alert('a & b')</script>"
VOID = ("meta", "img")


class Page(HTMLParser):
    """Sees that every element is closed where it should, and collects what a test asks for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


@pytest.fixture(autouse=True)
def a_short_agenda(monkeypatch):
    monkeypatch.setattr(report, "agenda", lambda: AGENDA)


def put(folder, name="kumano2020/theory", **changes):
    folder.mkdir(parents=True)
    levels = np.random.default_rng(0).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(levels).save(folder / "a.png")
    table = Table("Cells", ["one", "two"], ["row"], [[12, 0.25]], [[13, None]], [[True, False]])
    made = Section(
        name=name,
        title="A title",
        source="Kumano et al. (2020), table 99",
        preset="reduced",
        command=f"{RUN} kumano2020 theory reduced",
        settings={"k": [1, 5], "inner": {"until": None}},
        tables=[table],
        pictures=[Picture("a.png", "A caption")],
        notes=["A note."],
    )
    publish(dataclasses.replace(made, **changes), folder)


def make(tmp_path, folders=None):
    out = tmp_path / "report.html"
    folders = (tmp_path / "runs",) if folders is None else folders
    report.main(report.Settings(out, folders))
    return out.read_text(encoding="utf-8")


def test_the_page_holds_tables_pictures_settings_and_versions(tmp_path):
    put(tmp_path / "runs" / "theory")
    text = make(tmp_path)
    page = Page(text)
    everything = " ".join(page.texts)
    for part in ("A title (reduced)", "(2020), table 99", "A caption", "A note.", "0.25", "13"):
        assert part in everything
    for part in ("inner.until", "versions.jax", "git_commit", "device"):
        assert part in everything
    (source,) = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    kind, _, data = source.partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == (tmp_path / "runs" / "theory" / "a.png").read_bytes()


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(tmp_path):
    put(tmp_path / "runs" / "theory")
    page = Page(make(tmp_path))
    assert not {"script", "link", "iframe"} & set(page.seen)
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith(("data:image/png;base64,", "#")), (tag, value[:60])
    style = make(tmp_path).partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_text_is_escaped_wherever_it_stands(tmp_path):
    table = Table(HOSTILE, [HOSTILE], [HOSTILE], [[HOSTILE]], [[HOSTILE]])
    put(
        tmp_path / "runs" / "theory",
        title=HOSTILE,
        source=HOSTILE,
        command=HOSTILE,
        settings={HOSTILE: HOSTILE},
        tables=[table],
        pictures=[Picture("a.png", '"' + HOSTILE)],
        notes=[HOSTILE],
    )
    page = Page(make(tmp_path))
    assert "script" not in page.seen
    assert "".join(page.texts).count(HOSTILE) >= 10


def test_contents_lead_to_every_section(tmp_path):
    put(tmp_path / "runs" / "d", "of_my_own")
    put(tmp_path / "runs" / "b", "su2019/one_pixel")
    put(tmp_path / "runs" / "a", "kumano2020/another")
    put(tmp_path / "runs" / "c" / "deep" / "down", "kumano2020/theory")
    page = Page(make(tmp_path))
    ids = [value for _, name, value in page.attributes if name == "id"]
    links = [value for _, name, value in page.attributes if name == "href"]
    # Folder by folder, each as on the agenda; what is not on it comes last.
    sections = ["kumano2020-theory", "kumano2020-another", "su2019-one_pixel", "of_my_own"]
    assert ids == [*sections, "to-do"]
    assert links == [f"#{name}" for name in ids]


def test_the_newest_of_a_name_counts(tmp_path):
    put(tmp_path / "runs" / "one", title="The older one")
    put(tmp_path / "runs" / "two", title="The newer one")
    os.utime(tmp_path / "runs" / "one" / section.SECTION, (1000, 1000))
    os.utime(tmp_path / "runs" / "two" / section.SECTION, (2000, 2000))
    assert "The newer one" in (text := make(tmp_path))
    assert "The older one" not in text
    os.utime(tmp_path / "runs" / "one" / section.SECTION, (3000, 3000))
    assert "The older one" in make(tmp_path)


def test_what_was_not_run_is_listed_with_its_command(tmp_path, capsys):
    put(tmp_path / "runs" / "theory")
    put(tmp_path / "runs" / "transfer", "kumano2020/transfer", preset="paper")
    page = Page(make(tmp_path))
    _, _, to_do = "\n".join(page.texts).rpartition("Not run yet")
    missing, _, smaller = to_do.partition("Run with fewer or smaller searches")
    assert [item.command in missing for item in AGENDA] == [False, False, True]
    assert [item.command in smaller for item in AGENDA] == [True, False, False]
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["sections"] == ["kumano2020/theory", "kumano2020/transfer"]
    assert line["missing"] == ["su2019/one_pixel"]


def test_without_any_section_all_is_missing(tmp_path):
    page = Page(make(tmp_path))
    assert "img" not in page.seen
    assert all(item.command in page.texts for item in AGENDA)


def test_papers_columns_without_figures_are_left_out(tmp_path):
    table = Table("T", ["a", "b"], ["r", "s"], [[1, 2], [3, 4]], [[5, None], [None, None]])
    put(tmp_path / "runs" / "theory", tables=[table])
    page = Page(make(tmp_path))
    inner = page.texts[page.texts.index("T") :]
    cells = [text for text in inner[: inner.index("A caption")] if text.strip()]
    assert cells == ["T", "a", "b", "r", "1", "5", "2", "s", "3", "-", "4"]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "section.json").write_text("{"), "section.json: expected a section, got"),
        (lambda f: (f / "section.json").write_text("{}"), "section.json: expected a section, got"),
        (lambda f: (f / "a.png").unlink(), "a.png: expected a picture .* beside it, got none"),
        (lambda f: (f / "a.png").write_bytes(b"GIF89a"), "a.png: expected a PNG"),
    ],
)
def test_what_is_damaged_is_named_and_no_page_is_written(tmp_path, damage, sentence):
    put(tmp_path / "runs" / "theory")
    damage(tmp_path / "runs" / "theory")
    with pytest.raises(ValueError, match=sentence):
        make(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (["nope"], "folders: expected a folder, got none at nope "),
        (["docs", "nope"], "folders: expected a folder, got none at nope "),
        (["file"], "folders: expected a folder, got none at file "),
        ([], "folders: expected one or more folders, got none"),
    ],
)
def test_folders_to_search_must_be_there_but_for_the_usual(
    folders, sentence, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    check(report.Settings())
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        check(report.Settings(folders=tuple(map(Path, folders))))


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match="out: expected a file, got the folder"):
        check(report.Settings(tmp_path, (tmp_path,)))
