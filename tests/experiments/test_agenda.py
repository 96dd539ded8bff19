"""The agenda: every section that the experiments' files ask for, and the command that makes it."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from experiments.agenda import agenda
from experiments.discovery import discover
from experiments.lab.section import SECTION, read_section
from experiments.lab.settings import leaves

ROOT = Path(__file__).resolve().parents[2]
AGENDA = agenda()


def test_the_agenda_follows_from_the_files():
    names = [item.name for item in AGENDA]
    assert len(set(names)) == len(names)
    asked = {command for command, module in discover().items() if module.declared}
    made = {" ".join(item.command.split()[3:5]) for item in AGENDA}
    assert made == {command for command in asked if " " in command}
    folders = [name.partition("/")[0] for name in names]
    assert folders == sorted(folders, key=lambda folder: (folder == "greedy", folder))


@pytest.mark.parametrize("item", AGENDA, ids=[item.name for item in AGENDA])
def test_a_command_of_the_agenda_makes_its_section(item):
    words = item.command.split()
    assert words[:3] == ["python", "-m", "experiments"]
    command, preset, options = " ".join(words[3:5]), words[5], words[6:]
    experiment = importlib.import_module(discover()[command].name).EXPERIMENT
    assert preset == "paper"
    assert experiment.section_name(command, experiment.typed(shlex.join(options))) == item.name
    assert re.fullmatch(r"[a-z0-9]+/[A-Za-z0-9_]+", item.name)


def test_every_option_of_a_preset_exists():
    for command, module in discover().items():
        if module.declared:
            experiment = importlib.import_module(module.name).EXPERIMENT
            for name in experiment.presets:
                assert list(leaves(experiment.preset(name))), (command, name)


def test_committed_sections_are_named_after_their_experiments():
    commands = discover()
    for path in (ROOT / "docs").rglob(SECTION):
        section, _ = read_section(path.parent)
        words = section.command.split()[3:]
        command = " ".join(words[:2]) if " ".join(words[:2]) in commands else words[0]
        assert command in commands, section.command
        assert section.name.startswith(command.replace(" ", "/")), section.name
