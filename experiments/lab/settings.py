"""Settings of an experiment: a frozen dataclass whose annotations are the checks and whose comments
are the help.

    @lab.settings
    class Settings:
        networks: lab.Networks = ("allconv", "nin")  # NAME=FILE, or NAME to train it here
        num_images: lab.Count = 500  # test images for each network
        search: lab.Evolution = lab.Evolution(population=400, generations=100, until=0.9)

The defaults are the paper's. Settings nest in code (`s.search.population`) and are flat everywhere
else: on the command line (`--population`), in presets and in records.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, dataclass_transform, get_args, get_origin

from typing_extensions import get_type_hints

from experiments.lab.hints import expected, fits
from experiments.lab.record import json_safe
from models.cache import home

S = TypeVar("S")


@dataclass(frozen=True)
class Check:
    """A check of a value, as part of its annotation.

    Attributes:
      refuse: of (name of the setting, value, all settings); raises ValueError or FileNotFoundError.
      last: whether it looks at files, and so comes after all checks that do not.
    """

    refuse: Callable[[str, Any, Any], None]
    last: bool = False


class Technical:
    """Marks a setting that says how to run, not what: seeds, lanes, chunks."""


class Subject:
    """Marks a setting that says what is attacked: networks, data sets."""


class Extensible:
    """Marks a setting that another run in the same folder may change, such as a list of networks:
    what the folder keeps for one value does not depend on the others."""


@dataclass_transform(frozen_default=True)
def settings(cls: type[S]) -> type[S]:
    """A frozen dataclass of settings. Lists become tuples, and `~` the home folder in paths."""
    cls.__post_init__ = _normalize  # pyright: ignore[reportAttributeAccessIssue]
    return dataclass(frozen=True)(cls)


def _normalize(settings: Any) -> None:
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, (list, tuple, Path)):
            object.__setattr__(settings, field.name, _usual(value))


def _usual(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_usual, value))
    return home(value) if isinstance(value, Path) else value


@dataclass(frozen=True)
class Leaf:
    """A setting with its value, wherever it is nested.

    Attributes:
      name: of the setting.
      value: its value.
      hint: its annotation.
    """

    name: str
    value: Any
    hint: Any

    def marked(self, mark: type) -> bool:
        return any(isinstance(found, mark) or found is mark for found in _marks(self.hint))


def leaves(settings: Any) -> Iterator[Leaf]:
    """All settings, flat, in the order in which they are written."""
    hints = get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value)
        else:
            yield Leaf(field.name, value, hints[field.name])


def check(settings: Any) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    First by types and annotations, then by the `check()` methods of nested settings, then by their
    own, then what is read from files.

    Raises:
      TypeError, ValueError, FileNotFoundError: naming the setting, what was expected and what was
        given.
    """
    # What is attacked first: a network is looked for by its data set.
    found = sorted(leaves(settings), key=lambda leaf: leaf.name != "dataset")
    for leaf in found:
        if not fits(leaf.hint, leaf.value):
            got = f"{leaf.value!r:.60}"
            raise TypeError(f"{leaf.name}: expected {expected(leaf.hint)}, got {got}")
    _refuse(found, settings, last=False)
    _check_together(settings)
    _refuse(found, settings, last=True)


def _refuse(found: Sequence[Leaf], settings: Any, *, last: bool) -> None:
    for leaf in found:
        for mark, value in _checks(leaf.hint, leaf.value):
            if mark.last == last:
                mark.refuse(leaf.name, value, settings)


def _check_together(settings: Any) -> None:
    for field in dataclasses.fields(settings):
        if dataclasses.is_dataclass(inside := getattr(settings, field.name)):
            _check_together(inside)
    if hasattr(settings, "check"):
        settings.check()


def changed(settings: S, **changes: Any) -> S:
    """The settings with some replaced, named flat: `changed(s, population=8)`.

    Raises:
      TypeError: there is no such setting.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):  # pyright: ignore[reportArgumentType]
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value) and field.name not in changes:
            inner = {leaf.name for leaf in leaves(value)} & set(changes)
            values[field.name] = changed(value, **{name: changes.pop(name) for name in inner})
        elif field.name in changes:
            values[field.name] = changes.pop(field.name)
    if changes:
        known = ", ".join(leaf.name for leaf in leaves(settings))
        raise TypeError(f"settings: expected some of {known}, got {', '.join(changes)}")
    return dataclasses.replace(settings, **values)  # pyright: ignore[reportArgumentType]


def flat(settings: Any) -> dict[str, Any]:
    """Names and values in JSON types, without the folders of absolute paths and weights."""
    return {leaf.name: json_safe(_shown(leaf.value)) for leaf in leaves(settings)}


def differences(settings: Any, paper: Any) -> dict[str, tuple[Any, Any]]:
    """Settings that say what was done and differ from the paper's: (ours, the paper's) by name."""
    ours, theirs = flat(settings), flat(paper)
    technical = {leaf.name for leaf in leaves(settings) if leaf.marked(Technical)}
    names = [name for name in ours if name not in technical and ours[name] != theirs[name]]
    return {name: (ours[name], theirs[name]) for name in names}


def told(value: Any) -> str:
    """The flat value of a setting, in words."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _shown(value: Any) -> Any:
    if isinstance(value, Path):
        return value if not value.is_absolute() else value.name
    if isinstance(value, str) and "=" in value:  # NAME=FILE
        name, _, file = value.partition("=")
        return f"{name}={Path(file).name}"
    return [_shown(item) for item in value] if isinstance(value, tuple) else value


def _marks(hint: Any) -> Iterator[Any]:
    """What annotates a type, at any depth."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        yield from marks
        yield from _marks(inner)
    elif get_origin(hint) in (Union, UnionType, tuple):
        for inner in get_args(hint):
            yield from _marks(inner)


def _checks(hint: Any, value: Any) -> Iterator[tuple[Check, Any]]:
    """Checks of an annotation with the values that they concern; None is not checked."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _checks(inside[0], value)
        yield from ((mark, value) for mark in inside[1:] if isinstance(mark, Check))
    elif origin in (Union, UnionType):
        for inner in inside:
            if value is not None and inner is not NoneType:
                yield from _checks(inner, value)
    elif origin is tuple:
        inners = [inside[0]] * len(value) if inside[-1] is Ellipsis else inside
        for inner, item in zip(inners, value, strict=True):
            yield from _checks(inner, item)
