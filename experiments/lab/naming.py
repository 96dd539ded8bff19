"""Errors of jfool and of the networks, which name arguments, in the words of a command."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

ARGUMENTS = {  # of jfool, with the settings that give them
    "folder": ("run", "out"),
    "image_shape": ("side", "network"),
    "jobs.base": ("colors", "color"),
    "jobs.k": ("ks", "k"),
    "jobs.target": ("classes", "target"),
    "key": ("seed",),
    "max_k": ("ks", "k"),
    "model": ("network", "networks"),
    "num_steps": ("generations",),
    "population_size": ("population",),
    "threshold": ("until",),
}


@contextmanager
def naming(settings: Mapping[str, str], usual: str | None = None) -> Iterator[None]:
    """A block whose errors call arguments by the names of settings.

    Args:
      settings: by argument.
      usual: the setting that errors are about which name none of these; None: they stay.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        argument, colon, rest = str(error).partition(": ")
        if colon and argument in settings:
            raise type(error)(f"{settings[argument]}: {rest}") from error
        if usual is None:
            raise
        raise type(error)(f"{usual}: {error}") from error


def settings_of(names: Collection[str]) -> dict[str, str]:
    """By argument, the setting of a command that gives it; not of arguments that are settings."""
    found = {}
    for argument, settings in ARGUMENTS.items():
        given = [name for name in settings if name in names]
        if given and argument not in names:
            found[argument] = given[0]
    return found
