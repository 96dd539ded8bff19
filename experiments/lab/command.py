"""The command line of an experiment: a preset, then settings by name."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from experiments.lab.experiment import PAPER, Experiment
from experiments.lab.settings import check


def run_experiment(experiment: Experiment, command: str, words: Sequence[str], help: str) -> None:
    """Runs `python -m experiments COMMAND PRESET --setting value ...`.

    Args:
      experiment: what is run.
      command: such as "su2019 one_pixel".
      words: after the command.
      help: what --help explains.
    Raises:
      ValueError: no preset, or another one; see also `Experiment.run`.
    """
    prog = f"python -m experiments {command}"
    texts = {n: p.text for n, p in experiment.presets.items()} | {PAPER: experiment.paper}
    presets = "\n".join(f"  {name}: {text}" for name, text in texts.items())
    if not words or words[0] in ("-h", "--help"):
        print(f"{help.strip()}\n\n{prog} PRESET [--help]\n{presets}")
        return
    name, *options = words
    if name not in texts:
        raise ValueError(f"preset: expected one of {', '.join(texts)}, got {name!r}")
    typed = dataclasses.make_dataclass(
        "Command",
        [("settings", type(experiment.settings)), ("out", Path | None)],
        namespace={"__doc__": help},
    )
    given: Any = experiment.typed(
        options, typed(experiment.preset(name), None), prog=f"{prog} {name}", description=help
    )
    experiment.run(command, name, given.settings, given.out)


def run_main(module: Any, command: str, words: Sequence[str], help: str) -> None:
    """Runs the `main(settings)` of a module that is no experiment of tables and pictures."""
    usual = module.Settings()
    given = tyro.cli(
        module.Settings,
        prog=f"python -m experiments {command}",
        description=help,
        args=list(words),
        default=usual,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    check(given)
    module.main(given)
