"""An experiment: settings, records, tables, pictures. The lab derives all the rest.

A module that ends in `EXPERIMENT = lab.Experiment(...)` is an experiment: its folder and name are
its command, `python -m experiments su2019 one_pixel reduced`, and its docstring is the help.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from experiments.lab.folder import claimed
from experiments.lab.options import parsed
from experiments.lab.records import Records
from experiments.lab.run import Run
from experiments.lab.section import Picture, Section, Table, publish
from experiments.lab.settings import Subject, check, differences, flat, leaves, told
from models.paths import home

S = TypeVar("S")
R = TypeVar("R")
PAPER = "paper"
Text = str | Callable[[Any], str]


@dataclass(frozen=True)
class Preset:
    """
    text: what it is and how long it takes.
    options: what differs from the paper's settings, as typed on the command line.
    """

    text: str
    options: str


def preset(text: str, options: str) -> Preset:
    """Settings smaller than the paper's, e.g. `preset("seconds", "--population 8")`."""
    return Preset(text, options)


@dataclass(frozen=True)
class Experiment(Generic[S, R]):
    """
    `title`, `source` and `name` are templates of the settings, "On {dataset}", or functions of
    them.

    Attributes:
      settings: the paper's.
      presets: smaller ones by name, in addition to `paper`; none for an experiment that is no
        paper's, whose options follow its command directly.
      records: of (settings, run): measures, in plain Python. What the run's folder has is not
        computed again. Its result is Records, several by name, or whatever the tables need.
      tables: of (settings, what `records` found).
      pictures: of (settings, the same, a folder): draws into it.
      notes: of (settings, the same): assumptions, and what the paper leaves open. That settings
        differ from the paper's is noted by the lab.
      title: one line.
      source: what is reproduced.
      name: of the section; by default the module's.
      agenda: options, one text for each section that reproduces the paper.
      paper: what the paper's settings take, in words.
      told: of (settings, what `records` found): further entries of the JSON line.
    """

    settings: S
    presets: Mapping[str, Preset]
    records: Callable[[S, Run], R]
    tables: Callable[[S, R], Iterable[Table]]
    pictures: Callable[[S, R, Path], Iterable[Picture]]
    notes: Callable[[S, R], Iterable[str]]
    title: Text
    source: Text
    name: Text | None = None
    agenda: Sequence[str] = ("",)
    paper: str = "the paper's settings"
    told: Callable[[S, R], Mapping[str, Any]] = lambda settings, found: {}

    def preset(self, name: str) -> S:
        """The settings of a preset."""
        return self.typed(self.presets[name].options) if name in self.presets else self.settings

    def typed(self, options: str) -> S:
        """The paper's settings, with options as typed on the command line."""
        return parsed(type(self.settings), shlex.split(options), self.settings)

    def section_name(self, command: str, settings: S) -> str:
        """FOLDER/NAME, of the section and below runs/ and docs/."""
        *folder, module = command.split(" ")
        return "/".join([*folder, text_of(self.name or module, settings)])

    def run(self, command: str, preset: str, settings: S, out: Path | None = None) -> Section:
        """Checks, measures, draws and publishes.

        Args:
          command: the experiment's, such as "su2019 one_pixel".
          preset: which the settings were made from; "" where there are none.
          settings: of this run.
          out: folder; by default runs/FOLDER/NAME.
        Raises:
          ValueError, FileNotFoundError: a setting that cannot work, or a folder that another
            experiment has, or a run with other settings.
        """
        check(settings)
        name = self.section_name(command, settings)
        out = Path("runs") / name if out is None else home(out)
        with claimed(out, command, name, settings):
            found = self.records(settings, Run(out))
            section = Section(
                name=name,
                title=text_of(self.title, settings),
                source=text_of(self.source, settings),
                preset=self._preset_name(preset, settings),
                command=command_line(command, preset, settings, self.preset(preset)),
                settings=flat(settings),
                tables=list(self.tables(settings, found)),
                pictures=list(self.pictures(settings, found, out)),
                notes=[*self.notes(settings, found), *self._difference(settings)],
                records=_written(found, out),
            )
            publish(section, out, **self.told(settings, found))
        return section

    def _preset_name(self, preset: str, settings: S) -> str:
        """The preset; the paper's also names what is not the paper's, networks and data aside."""
        if preset != PAPER:
            return preset
        subjects = {leaf.name for leaf in leaves(settings) if leaf.marked(Subject)}
        other = [name for name in differences(settings, self.settings) if name not in subjects]
        return f"paper, other {', '.join(other)}" if other else PAPER

    def _difference(self, settings: S) -> list[str]:
        """What is not as in the paper, in a sentence."""
        if not self.presets:
            return []
        different = [
            f"{name.replace('_', ' ')} {told(ours)} ({told(theirs)})"
            for name, (ours, theirs) in differences(settings, self.settings).items()
        ]
        listed = ", ".join(different)
        return [f"Settings other than the paper's (in parentheses): {listed}."] if different else []


def text_of(of: Text, settings: Any) -> str:
    """A template of settings, or a function of them, as text."""
    return of(settings) if callable(of) else of.format(**flat(settings))


def command_line(command: str, preset: str, settings: Any, usual: Any) -> str:
    """The command that makes a run: the preset, and every setting that differs from it."""
    shown, expected = flat(settings), flat(usual)
    words = ["python -m experiments", command, *preset.split()]
    for name, value in shown.items():
        option = name.replace("_", "-")
        if value == expected[name]:
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            values = value if isinstance(value, list) else [value]
            words += [f"--{option}", *(shlex.quote(str(value)) for value in values)]
    return " ".join(words)


def _written(found: Any, out: Path) -> list[str]:
    """Writes all records, and returns the names of their files."""
    named = {"records": found} if isinstance(found, Records) else found
    named = named if isinstance(named, Mapping) else {}
    files = {f"{name}.parquet": of for name, of in named.items() if isinstance(of, Records)}
    for file, records in files.items():
        records.write(out / file)
    return [*files]
