"""The command `jfool`: `jfool --help` lists what it does.

A subcommand is a module of this package and its name in `COMMANDS`. The module has a docstring,
whose first line is the help; `add_arguments(parser)`; and `run(arguments)`, which returns the exit
code. It imports what takes long inside `run`.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from jfool.cli.platform import platform_refusal
from jfool.version import __version__

COMMANDS = ("attacks", "example")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand.

    Args:
      arguments: as typed; by default those of the process.
    Returns:
      The exit code: 0, 2 for what the user can mend, 130 after Ctrl-C.
    """
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except ValueError as error:
        print(f"jfool {options.command}: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, AssertionError):
        if (refusal := platform_refusal()) is None:
            raise
        print(f"jfool {options.command}: {refusal}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """All subcommands with their options."""
    top = argparse.ArgumentParser(
        prog="jfool", description="Fooling images and sparse adversarial attacks on JAX."
    )
    top.add_argument("--version", action="version", version=f"jfool {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"jfool.cli.{name}")
        first_line = (module.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(
            name,
            help=first_line,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top
