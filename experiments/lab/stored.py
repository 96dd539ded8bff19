"""JSON records in the folder of a run: sealed when written, checked by annotations when read."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from experiments.lab.record import json_safe
from jfool.sweeps.files import read_inside
from jfool.sweeps.sealed import DIGEST, is_sound, parse_record, sealed_text
from jfool.texts import told, visible
from models.cache import replacing

T = TypeVar("T")


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Writes the whole file, with its digest, or nothing; a link at `path` is replaced."""
    text = sealed_text(json_safe(record))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_record(path: Path, what: str, make: Callable[[dict[str, Any]], T]) -> T:
    """What `make` makes of a record.

    Args:
      path: of the file, which is no link out of its folder.
      what: it should hold, such as "a section".
      make: of all in the record but its digest; raises ValueError if it is something else.
    Raises:
      ValueError: it is damaged, or something else.
    """
    try:
        record = parse_record(read_inside(path, path.parent))
        found = make({name: value for name, value in record.items() if name != DIGEST})
        if not is_sound(record):
            raise ValueError("its content is not what was written")
        return found
    except (OSError, ValueError, TypeError, OverflowError) as error:
        reason = visible(str(error).partition("\n")[0])
        raise ValueError(
            f"{told(path)}: expected {what}, got another file ({reason:.110}); delete it, or "
            "choose another folder"
        ) from error


def built(hint: Any, value: Any, name: str) -> Any:
    """JSON as what an annotation says: dataclasses from records, all else as it is.

    Raises:
      ValueError: it is something else.
    """
    inside = get_args(hint)
    kind = get_origin(hint) or hint
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, built(Mapping, value, name), name)
    if kind in (Union, UnionType):
        fitting = [other for other in inside if _is_kind(value, get_origin(other) or other)]
        return built(fitting[0], value, name) if fitting else _refuse(hint, value, name)
    if not _is_kind(value, kind):
        return _refuse(hint, value, name)
    if kind is Sequence and inside:
        return [built(inside[0], item, f"{name}[{i}]") for i, item in enumerate(value)]
    return value


def _dataclass(form: Any, record: Mapping[str, Any], name: str) -> Any:
    hints, fields = get_type_hints(form), dataclasses.fields(form)
    needed = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}
    if wrong := [*needed - record.keys(), *record.keys() - hints.keys()]:
        raise ValueError(f"{wrong[0]!r:.40} of {name} is missing or unknown")
    return form(**{key: built(hints[key], value, key) for key, value in record.items()})


def _is_kind(value: Any, kind: Any) -> bool:
    """Whether JSON has a type: a text is no sequence, and a truth no number."""
    if kind is Any:
        return True
    if kind is Sequence:
        return isinstance(value, list)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _refuse(hint: Any, value: Any, name: str) -> None:
    expected = getattr(hint, "__name__", str(hint)).lower()
    raise ValueError(f"{name:.40} is {value!r:.30}, not {expected:.30}")
