"""One HTML page of everything that was run: tables with the papers' numbers, figures, settings.

    python -m experiments report --out report.html

Gathers every `section.json` below the folders; where two have the same name, the newer one counts.
The page contains its pictures and needs no other files. It ends with what has not been run yet, and
the commands that would run it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from experiments import lab
from experiments.agenda import Item, agenda
from experiments.lab.folder import check_input_folder
from experiments.lab.record import print_json
from experiments.lab.section import SECTION, Section, read_section
from experiments.report_page import Entry, page
from jfool.sweeps.files import read_inside
from jfool.texts import told
from models.cache import replacing

_PNG = b"\x89PNG\r\n\x1a\n"


_USUAL = (Path("docs"), Path("runs"))  # which need not be there


@lab.Check
def _folders(name: str, folders: tuple[Path, ...], _: Any) -> None:
    if not folders:
        raise ValueError(f"{name}: expected one or more folders, got none (name one)")
    for folder in folders:
        if folder not in _USUAL or os.path.exists(folder):
            check_input_folder(folder, name)


@lab.settings
class Settings:
    out: lab.OutFile = Path("report.html")  # file of the page
    folders: Annotated[tuple[Path, ...], _folders] = _USUAL  # of sections, at any depth


def main(settings: Settings) -> None:
    """Writes the page; the last line on standard output is JSON."""
    asked = agenda()
    entries = in_order(gather(settings.folders), asked)
    text = page(entries, asked)
    with replacing(settings.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    found = [entry.section.name for entry in entries]
    print(f"{settings.out} shows {len(found)} sections in {len(text) / 1e6:.1f} MB")
    missing = [item.name for item in asked if item.name not in found]
    print_json({"experiment": "report", "out": settings.out, "sections": found, "missing": missing})


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


def in_order(entries: Sequence[Entry], asked: Sequence[Item]) -> list[Entry]:
    """Folder by folder as on the agenda; in each the sections of the agenda, then others."""
    names = [item.name for item in asked]
    folders = list(dict.fromkeys(name.partition("/")[0] for name in names))

    def place(entry: Entry) -> tuple[int, int, str]:
        name = entry.section.name
        folder = name.partition("/")[0]
        return _index(folders, folder), _index(names, name), name

    return sorted(entries, key=place)


def _index(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


def _png(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        content = read_inside(path, folder)
    except OSError as error:
        raise ValueError(
            f"{told(path)}: expected a picture of the section beside it, got none "
            f"({error.strerror or error}): run the section's command again, or delete the section"
        ) from error
    if not content.startswith(_PNG):
        raise ValueError(
            f"{told(path)}: expected a PNG, got another file (run the section's command again)"
        )
    return content
