"""The folder of a run: which experiment has it, and with which settings."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.lab.section import SECTION, read_section
from experiments.lab.settings import Extensible, Technical, flat, leaves, told
from experiments.lab.stored import built, read_record, write_record
from jfool import texts
from models.paths import given_path, shown

UNFINISHED = "unfinished.json"  # in place of the section, until there is one


@dataclass(frozen=True)
class _Unfinished:
    name: str
    command: str
    settings: Mapping[str, Any]


@contextlib.contextmanager
def claimed(folder: Path, command: str, name: str, settings: Any) -> Iterator[None]:
    """A block that works in a folder, which is then this run's, finished or not.

    A run that resumes has the settings of the one before, those aside that say how to run, or that
    may be extended. A block that fails before it keeps anything leaves the folder to others.

    Args:
      folder: of the run.
      command: of the experiment, such as "su2019 one_pixel".
      name: of the section.
      settings: of the run.
    Raises:
      ValueError: the folder cannot be made or written to, or holds another experiment or a run with
        other settings.
    """
    check_folder(folder)
    command = f"python -m experiments {command}"
    if not (folder / SECTION).exists() and not (folder / UNFINISHED).exists():
        record = {"name": name, "command": command, "settings": flat(settings)}
        write_record(folder / UNFINISHED, record)
    else:
        _check_same(folder, command, settings)
    try:
        yield
    finally:
        if (folder / SECTION).exists() or [*folder.iterdir()] == [folder / UNFINISHED]:
            (folder / UNFINISHED).unlink(missing_ok=True)


def check_folder(folder: Path, name: str = "out") -> None:
    """Refuses a folder that cannot be made or written to; makes none.

    Args:
      name: of the setting in errors.
    Raises:
      ValueError: naming the setting.
    """
    existing = folder = given_path(folder, name)
    try:
        existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        with tempfile.TemporaryFile(dir=existing):
            pass
    except (OSError, ValueError) as error:  # ValueError: a null in the path
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{name}: expected a folder to write to, got {shown(existing)} ({reason})"
        ) from error


def check_input_folder(folder: Path, name: str) -> None:
    """Refuses what is no folder.

    Args:
      name: of the setting in errors.
    Raises:
      FileNotFoundError: naming the setting.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"{name}: expected a folder, got none at {shown(folder)} (name one that is there)"
        )


def _check_same(folder: Path, command: str, settings: Any) -> None:
    name, made_by, kept = _kept(folder)
    if not f"{made_by} ".startswith(f"{command} "):
        wanted = command.removeprefix("python -m experiments ")
        raise ValueError(
            f"out: expected a new folder or one of {wanted}, got {texts.told(folder)}, which holds "
            f"{texts.visible(name):.60} (choose another --out)"
        )
    ours = flat(settings)
    free = {x.name for x in leaves(settings) if x.marked(Technical) or x.marked(Extensible)}
    other = [n for n in ours if n not in free and n in kept and kept[n] != ours[n]]
    if other:
        was, now = (
            ", ".join(f"{name} {told(values[name]):.40}" for name in other)[:70]
            for values in (kept, ours)
        )
        raise ValueError(
            f"out: expected a new folder or one with {now}, got {texts.told(folder)} with "
            f"{texts.visible(was)} "
            "(choose another --out)"
        )


def _kept(folder: Path) -> tuple[str, str, Mapping[str, Any]]:
    """Name, command and settings of what a folder holds."""
    if (folder / SECTION).exists():
        section, _ = read_section(folder)
        return section.name, section.command, section.settings
    kept = read_record(folder / UNFINISHED, "a run", lambda r: built(_Unfinished, r, "the run"))
    return kept.name, kept.command, kept.settings
