"""`python -m experiments` lists the experiments; `python -m experiments NAME ...` runs one."""

import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.discovery import Module, discover

INTERRUPTED = 130  # the code of `jfool.cli.ending`
FORMER = {  # commands of earlier versions whose last word is another one now
    "defence": "kumano2020 defense",
    "evolved_imagenet": "nguyen2015 imagenet",
    "evolved_mnist": "nguyen2015 mnist",
    "evolved_natural_retraining": "nguyen2015 natural_retraining",
    "evolved_retraining": "nguyen2015 retraining",
    "evolved_transfer": "nguyen2015 transfer",
    "greedy": "greedy compare",
}
_OURS = ("jfool", "models", "experiments")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 2 for what the user can mend, 130 after Ctrl-C, 141 after `| head`."""
    known = discover()
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listing(known))
        return 0
    command = next((c for c in known if c.split() == list(arguments[: len(c.split())])), None)
    if command is None:
        print(_unknown(known, arguments), file=sys.stderr)
        return 2
    from jfool.cli.ending import ended  # imports JAX, which the list does without

    return ended(lambda: _refusing(command, known[command], arguments[len(command.split()) :]))


def _refusing(command: str, found: Module, words: Sequence[str]) -> int:
    try:
        return _run(command, found, words)
    except BrokenPipeError:
        raise
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        if not _refusal(error):
            raise
        from jfool.texts import visible  # not before: it takes a second to import

        print(visible(str(error)), file=sys.stderr)
        return 2
    except (RuntimeError, AssertionError):
        from jfool.cli.platform import platform_refusal  # not before: it takes a second to import

        if (refusal := platform_refusal()) is None:
            raise
        print(refusal, file=sys.stderr)
        return 2


def listing(known: Mapping[str, Module]) -> str:
    """Every experiment with the first line of its module, without importing it."""
    width = max(map(len, known))
    lines = [f"  {command:{width}}  {module.summary}" for command, module in known.items()]
    return "\n".join(["python -m experiments NAME [--help]", "", *lines])


def _unknown(known: Mapping[str, Module], arguments: Sequence[str]) -> str:
    """What could have been meant: a name without its folder, a former or a misspelled one."""
    first = arguments[0]
    got = " ".join(arguments[:2]) if any(c.startswith(f"{first} ") for c in known) else first
    meant = [command for command in known if command.split()[-1] == first]
    former = next((word for word in arguments[:2] if word in FORMER), None)
    if not meant and former:
        meant, got = [FORMER[former]], former
    meant = meant or [command for command in known if command.split()[0] == got]
    meant = meant or difflib.get_close_matches(got, known, n=1, cutoff=0.6)
    if not meant:
        from models.names import one_of  # not before: it takes a second to import

        return (
            f"experiment: expected {one_of(known, got)}, got {got:.60} "
            "(python -m experiments lists them)"
        )
    return f"experiment: expected {' or '.join(meant)}, got {got:.60}"


def _run(command: str, found: Module, words: Sequence[str]) -> int:
    try:
        module = importlib.import_module(found.name)
        from experiments.lab.command import run_experiment, run_main

        if found.declared:
            run_experiment(module.EXPERIMENT, command, words, found.text)
        else:
            run_main(module, command, words, found.text)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS:
            raise
        extra = "peers" if command in ("bench peers", "bench models") else "experiments"
        print(f'{missing} is not installed: pip install -e ".[{extra}]"', file=sys.stderr)
        return 2
    return 0


def _refusal(error: Exception) -> bool:
    """Whether our own code raised it on purpose: anything else is a bug, and shows its trace."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    folders = [
        Path(spec.origin).parent
        for name in _OURS
        if (spec := importlib.util.find_spec(name)) and spec.origin
    ]
    ours = any(Path(last.filename).is_relative_to(folder) for folder in folders)
    return ours and (last.line or "").startswith("raise ")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code == INTERRUPTED:
        # At once: an ordinary exit would wait for the search that still runs on the device.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
