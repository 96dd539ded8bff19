"""Options as typed on the command line, and the sentences that refuse them."""

import contextlib
import dataclasses
import difflib
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import tyro

from experiments.lab.hints import bare, expected
from experiments.lab.settings import leaves
from models.names import one_of

S = TypeVar("S")

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
_MOST_CHARACTERS = 60  # of what was typed, in errors


def parsed(
    kind: type[S], words: Sequence[str], usual: S | None = None, prog: str = "", help: str = ""
) -> S:
    """Settings of a class from options, flat: `--population 8`. `--help` prints and exits.

    Args:
      kind: a dataclass, with nested ones.
      words: as typed.
      usual: the defaults, if they are not those of the class.
      prog: the command before the options, for the help.
      help: what the help explains.
    Raises:
      ValueError: an option that does not exist or has another name now, or a value that is not of
        its kind.
    """
    cli = {"prog": prog, "description": help} | ({} if usual is None else {"default": usual})
    hints = {leaf.name: leaf.hint for leaf in leaves(_all_given(kind) if usual is None else usual)}
    if {"-h", "--help"} & {*words}:
        _typed(kind, ["--help"], **cli)
    options = {name: hint for name, hint in hints.items() if not _is_positional(hint)}
    for word in filter(_is_option, words):
        _check_known(word.partition("=")[0], options)
    settings = _accepted(kind, words, **cli)
    if settings is None:
        raise ValueError(_fault(words, hints))
    for name, values, _ in _given(words, hints):  # `Path` makes the present folder of nothing
        if "" in values and Path in map(bare, (hint := hints[name], *get_args(bare(hint)))):
            raise ValueError(f"{name}: expected a path, got '' (`.` is the present folder)")
    return settings


def _typed(kind: type[S], words: Sequence[str], **cli: Any) -> S:
    return tyro.cli(kind, args=list(words), config=(tyro.conf.OmitArgPrefixes,), **cli)


def _accepted(kind: type[S], words: Sequence[str], **cli: Any) -> S | None:
    """None where tyro refuses the words, without its report of several lines."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return _typed(kind, words, console_outputs=False, **cli)
        except SystemExit:
            return None


def _all_given(kind: type[S]) -> S:
    """With the defaults; what has none is None."""
    required = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]  # pyright: ignore[reportArgumentType]
    return kind(**dict.fromkeys(required))


def _is_option(word: str) -> bool:
    if not word.startswith("-"):
        return False
    try:
        float(word)
    except ValueError:
        return True
    return False  # a negative number


def _is_positional(hint: Any) -> bool:
    return tyro.conf.Positional in getattr(hint, "__metadata__", ())


def _check_known(option: str, known: Mapping[str, Any]) -> None:
    """Refuses an option with what may be meant: its present name, or one that is spelled alike."""
    name = _name(option, known)
    if option.startswith("--") and name in known:
        return
    meant = [new for new in [FORMER.get(name, "")] if new.split(" ")[0] in known]
    meant = meant or difflib.get_close_matches(name.split(".")[-1], known, n=1)
    raise ValueError(f"option: expected {_listed(meant or known, option)}, got {_told([option])}")


def _listed(names: Iterable[str], given: str) -> str:
    options = [f"--{name.replace('_', '-')}" for name in names]
    return one_of(options, given) if len(options) > 1 else options[0]


def _name(option: str, known: Mapping[str, Any]) -> str:
    """Of the setting: `--no-show` is `show`."""
    name = option.lstrip("-").replace("-", "_")
    positive = name.removeprefix("no_")
    return positive if name not in known and bare(known.get(positive)) is bool else name


def _fault(words: Sequence[str], hints: Mapping[str, Any]) -> str:
    """What is wrong with words that are refused: each option is tried alone."""
    for name, values, alone in _given(words, hints):
        default = False if bare(hints[name]) is bool else dataclasses.MISSING
        field = (name, hints[name], dataclasses.field(default=default))
        if _accepted(dataclasses.make_dataclass("Alone", [field]), alone) is None:
            wanted = "no value" if bare(hints[name]) is bool else expected(hints[name])
            return f"{name}: expected {wanted}, got {_told(values)}"
    name = next((name for name, hint in hints.items() if _is_positional(hint)), "option")
    wanted = expected(hints[name]) if name in hints else _listed(hints, words[0])
    first = [*itertools.takewhile(lambda word: not _is_option(word), words)]
    return f"{name}: expected {wanted}, got {_told(first)}"


def _given(
    words: Sequence[str], hints: Mapping[str, Any]
) -> Iterator[tuple[str, list[str], Sequence[str]]]:
    """Each option's name, its values, and its words."""
    places = [*(i for i, word in enumerate(words) if _is_option(word)), len(words)]
    for start, end in itertools.pairwise(places):
        option, equals, value = words[start].partition("=")
        values = [value] * bool(equals) + [*words[start + 1 : end]]
        yield _name(option, hints), values, words[start:end]


def _told(words: Sequence[str]) -> str:
    text = " ".join(words) or "none"
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
