"""The report as HTML: one page without scripts, its pictures inside it."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from experiments.agenda import Item
from experiments.lab.section import Section, Table, heading, shown
from experiments.report_html import Html, join, tag, void

_TITLE = "jfool: fooling images, the papers' numbers beside those measured here"


@dataclass(frozen=True)
class Entry:
    """
    section: what was run.
    made_with: versions, commit and device.
    pictures: PNG files by name.
    """

    section: Section
    made_with: Mapping[str, Any]
    pictures: Mapping[str, bytes]


def page(entries: Sequence[Entry], agenda: Sequence[Item]) -> str:
    """The whole page.

    Args:
      entries: in the order of their display.
      agenda: of which what is not among the entries is listed last.
    """
    names = {entry.section.name for entry in entries}
    open_items = [item for item in agenda if item.name not in names]
    smaller = [item for item in agenda if _is_smaller(item, entries)]
    head = join(
        [
            void("meta", {"charset": "utf-8"}),
            void("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
            tag("title", _TITLE),
            tag("style", Html(_style())),
        ]
    )
    body = tag(
        "main",
        tag("h1", _TITLE),
        tag("p", *_legend(), class_="legend"),
        _contents(entries, bool(open_items or smaller)),
        *(_entry(entry) for entry in entries),
        _to_do(open_items, smaller),
    )
    document = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


def _style() -> str:
    return files("experiments").joinpath("report.css").read_text(encoding="utf-8")


def _legend() -> list[str]:
    return [
        "In a cell with two numbers the upper one was ",
        tag("span", "measured", class_="measured"),
        " here and the lower one is ",
        tag("span", "the paper's", class_="paper"),
        "; a dash stands where there is none. The notes explain bold numbers; where they do not, "
        "bold is from 90 % on, as in the paper. Everything was computed by the commands shown. A "
        "k-SFI is a sparse fooling image with at most k altered pixels.",
    ]


def _contents(entries: Sequence[Entry], more: bool) -> Html:
    links = [
        tag("li", tag("a", heading(s.title, s.preset), href=f"#{_id(s)}"), _small(s.source))
        for s in (entry.section for entry in entries)
    ]
    if more:
        links.append(tag("li", tag("a", "What has not been run", href="#to-do")))
    return tag("nav", tag("h2", "Contents"), tag("ol", *links))


def _entry(entry: Entry) -> Html:
    section = entry.section
    return tag(
        "section",
        tag("h2", heading(section.title, section.preset)),
        tag("p", section.source, class_="source"),
        *(_table(table) for table in section.tables),
        *(_picture(entry.pictures[picture.file], picture.caption) for picture in section.pictures),
        tag("ul", *(tag("li", note) for note in section.notes), class_="notes")
        if section.notes
        else "",
        _origin(section, entry.made_with),
        id=_id(section),
    )


def _id(section: Section) -> str:
    """The HTML id of a section: letters, digits, underscores and hyphens."""
    return section.name.replace("/", "-")


def _table(table: Table) -> Html:
    head = tag("tr", tag("th"), *(tag("th", column, scope="col") for column in table.columns))
    rows = [
        tag("tr", tag("th", name, scope="row"), *(_cell(table, i, j) for j in _across(table)))
        for i, name in enumerate(table.rows)
    ]
    return tag(
        "figure",
        tag("figcaption", table.title),
        tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll"),
    )


def _across(table: Table) -> range:
    return range(len(table.columns))


def _cell(table: Table, i: int, j: int) -> Html:
    bold = table.bold is not None and table.bold[i][j]
    measured = tag(
        "span", shown(table.measured[i][j]), class_="measured bold" if bold else "measured"
    )
    if table.paper is None or all(row[j] is None for row in table.paper):
        return tag("td", measured)
    return tag("td", measured, " ", tag("span", shown(table.paper[i][j]), class_="paper"))


def _picture(png: bytes, caption: str) -> Html:
    data = "data:image/png;base64," + base64.b64encode(png).decode()
    image = void("img", {"src": data, "alt": caption})
    return tag("figure", image, tag("figcaption", caption), class_="picture")


def _origin(section: Section, made_with: Mapping[str, Any]) -> Html:
    """The command, and in a fold the settings and versions it ran with."""
    rows = [*_flat(section.settings), *_flat(made_with)]
    lines = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows]
    return tag(
        "div",
        tag("pre", tag("code", section.command)),
        tag(
            "details",
            tag("summary", "Settings, versions, device"),
            tag("div", tag("table", *lines, class_="settings"), class_="scroll"),
        ),
        class_="origin",
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """`{"a": {"b": 1}}` as `[("a.b", "1")]`."""
    flat = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat.append((f"{prefix}{name}", text))
    return flat


def _to_do(open_items: Sequence[Item], smaller: Sequence[Item]) -> Html:
    """What has not been run, or not at the paper's settings, and the commands that would."""
    if not (open_items or smaller):
        return Html("")
    parts = [tag("h2", "What has not been run")]
    for title, items in (
        ("Not run yet", open_items),
        ("Run with fewer or smaller searches than the paper's", smaller),
    ):
        if items:
            parts.append(tag("h3", title))
            parts += [
                tag(
                    "div",
                    tag("p", item.title, _small(item.source)),
                    tag("pre", tag("code", item.command)),
                )
                for item in items
            ]
    parts.append(
        tag(
            "p",
            "These commands run at the paper's settings, and most of them need an accelerator. "
            "With `reduced` in place of `paper` they take about an hour on two cores. A network "
            "is trained here, or its weights come from a file: NAME=FILE.",
        )
    )
    return tag("section", *parts, id="to-do")


def _is_smaller(item: Item, entries: Sequence[Entry]) -> bool:
    sections = (entry.section for entry in entries)
    return any(s.name == item.name and s.preset != "paper" for s in sections)


def _small(text: str) -> Html:
    return tag("small", f" {text}")
