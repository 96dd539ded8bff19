"""Every option of every command, given what it cannot take: one sentence, before data or compiling.

A value is either accepted by the checks, or refused with exit code 2 and one line of at most 300
characters that begins with the name of an option.
"""

import contextlib
import dataclasses
import importlib
import io
import itertools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import models
from experiments import __main__ as cli
from experiments.discovery import discover
from experiments.lab.hints import bare
from experiments.lab.settings import changed, check, leaves

MOST = 300
COMMANDS = discover()
MODULES = {command: importlib.import_module(found.name) for command, found in COMMANDS.items()}
BIG, LONG = str(2**70), "9" * 5000
WORDS = {  # by type, one option's words each
    int: ["x", "''", "1.5", "nan", "-inf", "-1", "0", "1e39", BIG, f"-{BIG}", LONG, "1 2", "None"],
    float: ["x", "''", "nan", "inf", "-inf", "-1", "0", "1e39", "1e-50", "1e999", "[1]", "1 2"],
    str: ["x", "''", "nan", "=", "mlp=", "=x", "~", "../x", "x" * 5000, "0", "[]", "a b", "a=b=c"],
    Path: ["''", "/nonexistent/a/b", "/dev/null", "/proc/x", "a" * 300, "~nobody/x", "file", "."],
    bool: ["x", "1", "None"],
}
VALUES = [  # what Python may bring
    *(None, True, 1, -1, 0.5, math.nan, math.inf, 1e39, 2**70, Fraction(1, 3), "", "x", "\x1b[31m"),
    *(b"x", object(), (), [], [1, 1], (1, "x"), ((),), {}, {1: 2}, range(3), Path(), Path("\0")),
    *(np.float32("nan"), np.arange(3), jax.numpy.bfloat16(0.5), "x" * 5000),
]
"""A file stands for no folder and no weights, "." for no file."""


class AcceptedError(Exception):
    """The checks are over."""


def accepted(*_: Any) -> None:
    raise AcceptedError


def touched(*_: Any) -> None:
    raise AssertionError("data were read before the settings were checked")


@pytest.fixture(autouse=True)
def only_checks(monkeypatch, tmp_path):
    """Commands that end where their checks do; nothing is compiled or read until then."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"not a picture, no weights, no JSON")
    monkeypatch.setattr(models, "load_dataset", touched)
    monkeypatch.setattr(models, "trained", touched)
    monkeypatch.setattr(cli, "discover", lambda: COMMANDS)
    compiled = []

    def listen(event: str, *_: Any, **__: Any) -> None:
        if "backend_compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield
    jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled


def settings_of(module: Any) -> Any:
    if hasattr(module, "EXPERIMENT"):
        return module.EXPERIMENT.settings
    required = [
        f.name for f in dataclasses.fields(module.Settings) if f.default is dataclasses.MISSING
    ]
    return module.Settings(**dict.fromkeys(required, "."))


def type_of(hint: Any) -> type:
    """Of the values of an annotation, at whatever depth."""
    while not isinstance(hint := bare(hint), type) or hint.__module__ == "types":
        hint = next(inner for inner in hint.__args__ if inner is not type(None))
    return hint


SEEN: set[str] = set()
TURNS = {kind: itertools.cycle(words) for kind, words in WORDS.items()}


def words_of(hint: Any) -> list[str]:
    """All words for each annotation once; for options that share it, the next one."""
    kind, first = type_of(hint), str(hint) not in SEEN
    SEEN.add(str(hint))
    return WORDS[kind] if first else [next(TURNS[kind])]


def end(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a command end after its checks."""
    if hasattr(module, "EXPERIMENT"):
        ends = dataclasses.replace(module.EXPERIMENT, records=accepted)
        monkeypatch.setattr(module, "EXPERIMENT", ends)
    else:
        monkeypatch.setattr(module, "main", accepted)


def told(words: list[str]) -> str | None:
    """The sentence that refuses a command; None where its checks accept it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(words)
        except AcceptedError:
            return None
    assert (code, out.getvalue()) == (2, ""), words
    return err.getvalue().removesuffix("\n")


def judge(sentence: str, names: set[str], case: Any) -> None:
    """One sentence that names an option."""
    assert len(sentence) <= MOST, (case, sentence)
    assert sentence.isprintable(), (case, sentence)
    assert sentence.partition(": expected ")[0] in names, (case, sentence)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_accepted_or_refused_by_name(command, monkeypatch):
    module = MODULES[command]
    end(module, monkeypatch)
    presets = module.EXPERIMENT.presets if hasattr(module, "EXPERIMENT") else {}
    preset = ["smoke"] if "smoke" in presets else []
    found = list(leaves(settings_of(module)))
    names = {leaf.name for leaf in found} | {"out", "option"}
    start = [*command.split(), *preset]
    for leaf in found:
        option = [] if leaf.name == "run" else [f"--{leaf.name.replace('_', '-')}"]
        for value in words_of(leaf.hint):
            values = [""] if value == "''" else value.split(" ")
            if (sentence := told([*start, *option, *values])) is not None:
                judge(sentence, names, (command, leaf.name, value))


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_of_python_are_accepted_or_refused_by_name(command):
    usual = settings_of(MODULES[command])
    names = {leaf.name for leaf in leaves(usual)}
    for leaf, value in itertools.product(list(leaves(usual)), VALUES):
        try:
            check(changed(usual, **{leaf.name: value}))
        except (TypeError, ValueError, OSError, ImportError) as error:
            judge(str(error), names, (command, leaf.name, value))
