"""One HTML page of all reproductions that were run: tables beside the paper's, figures, settings.

    python -m experiments report --out report.html

Gathers every `section.json` below the folders; where two have the same name, the newer one counts.
The page holds its pictures itself and needs nothing beside it. At its end stands what has not been
run yet, with the command that would.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.lab.agenda import AGENDA
from experiments.lab.record import claim_file, print_json
from experiments.lab.report_page import Entry, page
from experiments.lab.section import SECTION, Section, Table, read_section
from experiments.lab.victims import how
from models.cache import replacing

_PNG = b"\x89PNG\r\n\x1a\n"
_TABLE_1 = "table1_*.json"


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      out: the page.
      folders: where sections are looked for, at any depth; those that do not exist hold none.
      results: folder with the records table1_*.json of `python -m experiments table1`.
    """

    out: Path = Path("report.html")
    folders: tuple[Path, ...] = (Path("docs"), Path("runs"))
    results: Path = Path("docs/results")


def main(config: Config) -> None:
    """Writes the page; the last line on standard output is JSON."""
    claim_file(config.out)
    entries = [*table_1(config.results), *gather(config.folders)]
    places = {item.name: place for place, item in enumerate(AGENDA)}
    entries.sort(key=lambda e: (places.get(e.section.name, len(places)), e.section.name))
    text = page(entries, AGENDA)
    with replacing(config.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    found = [entry.section.name for entry in entries]
    print(f"{config.out} shows {len(found)} sections in {len(text) / 1e6:.1f} MB")
    missing = [item.name for item in AGENDA if item.name not in found]
    print_json({"experiment": "report", "out": config.out, "sections": found, "missing": missing})


def gather(folders: Sequence[Path]) -> list[Entry]:
    """The newest section of each name.

    Raises:
      ValueError: a section is damaged, or a picture of it is.
    """
    newest: dict[str, tuple[float, Path, Section, dict[str, Any]]] = {}
    for path in sorted({path for folder in folders for path in folder.rglob(SECTION)}):
        section, made_with = read_section(path.parent)
        time = path.stat().st_mtime
        if section.name not in newest or time > newest[section.name][0]:
            newest[section.name] = (time, path.parent, section, made_with)
    return [
        Entry(section, made_with, {p.file: _png(folder, p.file) for p in section.pictures})
        for _, folder, section, made_with in newest.values()
    ]


def table_1(folder: Path) -> list[Entry]:
    """Accuracies, from the records of `python -m experiments table1`; none where there are none.

    Raises:
      ValueError: a record is damaged.
    """
    rows, measured, paper, commands, made_with = [], [], [], [], {}
    for path in sorted(folder.glob(_TABLE_1)):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            for row in record["rows"]:
                seed = f" (seed {row['seed']})" if row.get("seed") else ""
                rows.append(f"{row['dataset']}, {row['model']}{seed}")
                measured.append([f"{100 * row['accuracy']:.2f}", how(row)])
                paper.append([row["paper"], None])
            commands.append(_command(record))
            made_with = {key: record[key] for key in ("versions", "git_commit", "device")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: expected a record of table1, got {error!r:.200}") from error
    if not rows:
        return []
    section = Section(
        name="table1",
        title="Accuracies of the attacked networks",
        source="paper 000, table 1",
        preset="paper",
        command="\n".join(commands),
        settings={},
        tables=[Table("Test accuracy", ["accuracy (%)", "training"], rows, measured, paper)],
        notes=[
            "Widths, batch sizes and numbers of epochs are not in the paper: ours are assumptions.",
            "The paper's CNN without pooling has no figure in its table 1: it is that of table 14 "
            "or 15.",
        ],
    )
    return [Entry(section, made_with, {})]


def _command(record: dict[str, Any]) -> str:
    words = ["python -m experiments table1 --datasets", *record["datasets"]]
    if record["models"]:
        words += ["--models", *record["models"]]
    if record.get("num_epochs"):
        words.append(f"--num-epochs {record['num_epochs']}")
    return " ".join([*words, f"--seed {record['seed']}"])


def _png(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path}: expected a picture of the section beside it, got none ({error.strerror})"
        ) from error
    if not content.startswith(_PNG):
        raise ValueError(f"{path}: expected a PNG, got another file")
    return content
