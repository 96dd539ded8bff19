"""What the report covers: every section that an experiment's `agenda` asks for."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from experiments.discovery import discover
from experiments.lab.experiment import PAPER, Experiment, text_of


@dataclass(frozen=True)
class Item:
    """
    name: of the section.
    title: one line.
    source: what it reproduces.
    command: that makes the section at the paper's full settings.
    """

    name: str
    title: str
    source: str
    command: str


def agenda() -> list[Item]:
    """Of all experiments: those of papers first, folder by folder, then jfool's own."""
    modules = [(command, module) for command, module in discover().items() if module.declared]
    modules.sort(key=lambda found: not _is_of_a_paper(found[0]))
    return [
        item
        for command, module in modules
        for item in items(command, importlib.import_module(module.name).EXPERIMENT)
    ]


def items(command: str, experiment: Experiment) -> Iterator[Item]:
    """Of one experiment, a section for each text of its agenda."""
    for options in experiment.agenda:
        settings = experiment.typed(options)
        yield Item(
            name=experiment.section_name(command, settings),
            title=text_of(experiment.title, settings),
            source=text_of(experiment.source, settings),
            command=f"python -m experiments {command} {PAPER} {options}".strip(),
        )


def _is_of_a_paper(command: str) -> bool:
    """Whether the folder is named after an author and a year."""
    return command.split()[0][-4:].isdigit()
