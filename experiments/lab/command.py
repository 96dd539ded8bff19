"""The command line of an experiment: a preset, where it has any, then settings by name."""

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.lab.experiment import PAPER, Experiment
from experiments.lab.naming import naming, settings_of
from experiments.lab.options import parsed
from experiments.lab.settings import check, leaves

_FLAT = tyro.conf.arg(name="")  # keeps "settings" out of the headings of the help
_OUT = tyro.conf.arg(
    help="folder of the results, in which the same command resumes; by default below runs/"
)


def run_experiment(experiment: Experiment, command: str, words: Sequence[str], help: str) -> None:
    """Runs `python -m experiments COMMAND PRESET --setting value ...`.

    Args:
      experiment: what is run; without presets, options follow the command directly.
      command: such as "su2019 one_pixel".
      words: after the command.
      help: what --help explains.
    Raises:
      ValueError: no preset, another one, or an option that is not understood; see also
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
    kind = Annotated[type(experiment.settings), _FLAT]
    typed = dataclasses.make_dataclass(
        "Options", [("settings", kind), ("out", Annotated[Path | None, _OUT])]
    )
    usual = typed(experiment.preset(name), None)
    given: Any = parsed(typed, options, usual, f"{prog} {name}".strip(), help)
    with _in_options(given):
        experiment.run(command, name, given.settings, given.out)


def run_main(module: Any, command: str, words: Sequence[str], help: str) -> None:
    """Runs the `main(settings)` of a module that is no experiment of tables and pictures."""
    given = parsed(module.Settings, words, prog=f"python -m experiments {command}", help=help)
    with _in_options(given):
        check(given)
        module.main(given)


def _in_options(given: Any) -> AbstractContextManager[None]:
    """A block whose errors name options instead of arguments of jfool."""
    return naming(settings_of([leaf.name for leaf in leaves(given)]))
