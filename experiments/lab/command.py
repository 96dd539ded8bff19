"""The command line of an experiment: a preset, where it has any, then settings by name."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.lab.experiment import PAPER, Experiment
from experiments.lab.settings import check, leaves

FORMER = {  # options of earlier versions
    "confidence": "until",
    "groups": "penalty",
    "k": "ks",
    "label": "target",
    "learning_rate": "step_size",
    "model": "network",
    "models": "networks",
    "overwrite": "out FOLDER, another one",
    "settings": "ascents",
    "steps": "num_steps",
    "weights": "network NAME=FILE",
}
_OUT = tyro.conf.arg(help="folder of the section and of what a run keeps; below runs/ by default")


def run_experiment(experiment: Experiment, command: str, words: Sequence[str], help: str) -> None:
    """Runs `python -m experiments COMMAND PRESET --setting value ...`.

    Args:
      experiment: what is run; without presets, options follow the command at once.
      command: such as "su2019 one_pixel".
      words: after the command.
      help: what --help explains.
    Raises:
      ValueError: no preset, another one, or an option that has another name now; see also
        `Experiment.run`.
    """
    prog, name, options = f"python -m experiments {command}", "", list(words)
    if experiment.presets:
        texts = {n: p.text for n, p in experiment.presets.items()} | {PAPER: experiment.paper}
        if not words or words[0] in ("-h", "--help"):
            presets = "\n".join(f"  {name}: {text}" for name, text in texts.items())
            print(f"{help.strip()}\n\n{prog} PRESET [--help]\n{presets}")
            return
        name, *options = words
        if name not in texts:
            raise ValueError(f"preset: expected one of {', '.join(texts)}, got {name!r}")
    _refuse_former(options, experiment.settings)
    typed = dataclasses.make_dataclass(
        "Command",
        [("settings", type(experiment.settings)), ("out", Annotated[Path | None, _OUT])],
        namespace={"__doc__": help},
    )
    usual = typed(experiment.preset(name), None)
    prog = f"{prog} {name}".strip()
    given: Any = experiment.typed(options, usual, prog=prog, description=help)
    experiment.run(command, name, given.settings, given.out)


def run_main(module: Any, command: str, words: Sequence[str], help: str) -> None:
    """Runs the `main(settings)` of a module that is no experiment of tables and pictures."""
    _refuse_former(words, _usual(module.Settings))
    given = tyro.cli(
        module.Settings,
        prog=f"python -m experiments {command}",
        description=help,
        args=list(words),
        config=(tyro.conf.OmitArgPrefixes,),
    )
    check(given)
    module.main(given)


def _usual(settings: type) -> Any:
    """With the defaults; what has none is None."""
    required = [f.name for f in dataclasses.fields(settings) if f.default is dataclasses.MISSING]
    return settings(**dict.fromkeys(required))


def _refuse_former(words: Sequence[str], settings: Any) -> None:
    """Refuses options of earlier versions with the ones that replace them."""
    known = {leaf.name for leaf in leaves(settings)}
    for word in words:
        option = word.partition("=")[0]
        name = option.removeprefix("--").replace("-", "_")
        new = FORMER.get(name, "")
        if option.startswith("--") and name not in known and new.split(" ")[0] in {*known, "out"}:
            raise ValueError(f"option: expected --{new.replace('_', '-')}, got {option}")
