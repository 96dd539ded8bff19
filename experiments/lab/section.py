"""What an experiment hands to the report: tables with the paper's numbers, figures, settings.

A section is a folder with `section.json` and the PNG files it names; `python -m experiments report`
gathers them. All that it shows was computed.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from experiments.lab.record import print_json, versions
from experiments.lab.stored import built, read_record, write_record
from jfool.texts import visible

SECTION = "section.json"
_COLUMNS = 10  # side by side, where a table is printed

# A number, a text, or None where there is nothing. Floats are shown with three digits.
Cell = float | int | str | None
Cells = Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Table:
    """
    title: one line.
    columns: heads of the cells.
    rows: heads of the rows.
    measured: one sequence of cells per row.
    paper: what the paper prints for the same cells, None where it has nothing; or None as a whole.
    bold: which measured cells are set off, or None.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[str]
    measured: Cells
    paper: Cells | None = None
    bold: Sequence[Sequence[bool]] | None = None

    def __post_init__(self) -> None:
        for name in ("measured", "paper", "bold"):
            cells = getattr(self, name)
            if cells is None:
                continue
            shape = len(cells), {len(row) for row in cells}
            if shape != (len(self.rows), {len(self.columns)} if self.rows else set()):
                raise ValueError(
                    f"{name}: expected {len(self.rows)} rows of {len(self.columns)} cells for "
                    f"{self.title!r}, got {shape[0]} of {sorted(shape[1])}"
                )


@dataclass(frozen=True)
class Picture:
    """
    file: name of a PNG in the section's folder.
    caption: a sentence or two.
    """

    file: str
    caption: str


@dataclass(frozen=True)
class Section:
    """
    name: FOLDER/NAME of the experiment, of letters, digits and underscores.
    title: one line.
    source: what it reproduces, e.g. "Su et al. (2019), table I".
    preset: "paper", or a smaller one, which the title then says; "" where there are none.
    command: that makes it.
    settings: in JSON types.
    tables, pictures: in the order of their display.
    notes: sentences: assumptions, and what differs from the paper.
    data: raw numbers of the tables, in JSON types.
    records: names of Parquet files in the section's folder.
    """

    name: str
    title: str
    source: str
    preset: str
    command: str
    settings: Mapping[str, Any]
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    notes: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    records: Sequence[str] = ()

    @property
    def files(self) -> set[str]:
        """What lies in its folder, `section.json` aside."""
        return {picture.file for picture in self.pictures} | {*self.records}


def floored(fraction: float | None) -> int | None:
    """A fraction in whole percent, rounded down as the papers print it: 0.996 is 99."""
    if fraction is None or not math.isfinite(fraction):
        return None
    return math.floor(100 * fraction + 1e-9)


def floored_cells(fractions: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """The same for an array; NaN stays."""
    return np.floor(100 * np.asarray(fractions, float) + 1e-9)


def beside_plain(
    percents: Float[np.ndarray, "R C"], plain: Float[np.ndarray, "R C"], unknown: str = "-"
) -> list[list[str]]:
    """Cells as `99 (62)`: of images, and of their base color alone."""

    def shown(percent: float) -> str:
        return unknown if np.isnan(percent) else f"{percent:.0f}"

    return [
        [f"{shown(x)} ({shown(y)})" for x, y in zip(*row, strict=True)]
        for row in zip(percents, plain, strict=True)
    ]


def publish(section: Section, folder: Path, **told: Any) -> None:
    """Writes `section.json`, prints the tables, and a JSON line last.

    Pictures and records of the same section as it was before, which it no longer has, are removed.

    Args:
      section: what is published.
      folder: where its pictures are already.
      told: further entries of the JSON line.
    """
    if (folder / SECTION).exists():
        before, _ = read_section(folder)
        for file in before.files - section.files if before.name == section.name else ():
            if (folder / file).is_file():
                (folder / file).unlink()
    write_record(folder / SECTION, {**dataclasses.asdict(section), **versions()})
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 120
    console.print(visible(heading(section.title, section.preset)))
    for table in section.tables:
        console.print(Text(f"\n{visible(table.title)}"))
        for start in range(0, len(table.columns), _COLUMNS):
            console.print(_drawn(table, range(len(table.columns))[start : start + _COLUMNS]))
    for note in section.notes:
        console.print(f"- {visible(note)}")
    line = {"experiment": section.name, "preset": section.preset, "out": folder.resolve()}
    print_json({**line, **told})


def heading(title: str, preset: str) -> str:
    """A title that says so when the run was smaller than the paper's."""
    return title if preset in ("", "paper") else f"{title} ({preset})"


def read_section(folder: Path) -> tuple[Section, dict[str, Any]]:
    """A section, and the versions and device it was made with.

    Raises:
      ValueError: the file is damaged, or names a file outside its folder.
    """
    return read_record(folder / SECTION, "a section", _section_of)


def _section_of(record: dict[str, Any]) -> tuple[Section, dict[str, Any]]:
    names = {f.name for f in dataclasses.fields(Section)}
    section = built(Section, {name: record[name] for name in names & {*record}}, "the section")
    if outside := sorted(file for file in section.files if not _is_name(file)):
        raise ValueError(f"expected pictures and records beside it, got {outside[0]!r:.60}")
    return section, {name: record[name] for name in record if name not in names}


def _is_name(file: str) -> bool:
    return Path(file).name == file != ".." and "\0" not in file


def shown(cell: Cell) -> str:
    """A cell as text."""
    if cell is None or cell != cell:  # NaN is no number
        return "-"
    if not isinstance(cell, float):
        return visible(str(cell))
    if 99.95 <= cell < 100:  # a share that is not all of it, which three digits would make 100
        return f"{math.floor(100 * cell + 1e-9) / 100:g}"
    return f"{cell:.3g}"


def _drawn(table: Table, columns: range) -> RichTable:
    """Some columns, measured, with the paper's value in parentheses."""
    drawn = RichTable(box=None)
    drawn.add_column("")
    for j in columns:
        drawn.add_column(Text(visible(table.columns[j])), justify="right")
    for i, row in enumerate(table.rows):
        cells = []
        for j in columns:
            text = shown(table.measured[i][j])
            if table.paper is not None:
                text += f" ({shown(table.paper[i][j])})"
            bold = table.bold is not None and table.bold[i][j]
            cells.append(Text(text, style="bold" if bold else ""))
        drawn.add_row(Text(visible(row)), *cells)
    return drawn


def table(
    title: str,
    measured: Mapping[str, Mapping[str, Cell]],
    paper: Mapping[str, Mapping[str, Cell]] | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Table:
    """A table from cells by row and column, beside the paper's where it has some.

    Rows that only the paper has come last. A cell that is missing is shown as a dash.

    Args:
      title: one line.
      measured: cells by head of the row and head of the column.
      paper: the same of the paper, or None where there is nothing to compare with.
      columns: heads, by default all measured ones and then the paper's others, as they appear.
    """
    rows = list(dict.fromkeys([*measured, *(paper or ())]))
    if columns is None:
        cells = (row for table in (measured, paper or {}) for row in table.values())
        columns = list(dict.fromkeys(column for row in cells for column in row))

    def laid_out(table: Mapping[str, Mapping[str, Cell]]) -> list[list[Cell]]:
        return [[table.get(row, {}).get(column) for column in columns] for row in rows]

    beside = None if paper is None else laid_out(paper)
    return Table(title, columns, rows, laid_out(measured), beside)
