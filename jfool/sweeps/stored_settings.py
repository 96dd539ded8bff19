"""The settings of a sweep as they lie in its folder, and which sweep a file belongs to.

`settings.json` holds the digest of all else in it. That digest is also the name of the sweep: parts
and checkpoints carry it, so that files of two sweeps cannot be mixed. In a folder of an earlier
version nothing carries it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from etils import epath

from jfool.arguments import is_whole
from jfool.sweeps.files import read_inside
from jfool.sweeps.sealed import DIGEST, is_sound, parse_record, sealed_text
from jfool.texts import told, visible

FORMAT = 2  # in format 1, which had no number, jobs held the class to reach as `label`
SETTINGS = "settings.json"
SWEEP = DIGEST  # names the sweep
_DIGEST = re.compile("[0-9a-f]{64}")
_NODE = re.compile("PyTreeDef|CustomNode")  # of a description: left out of messages
_MOST_JOBS = 2**31  # ids have 32 bits


def text_of(settings: Mapping[str, Any], note: Any) -> str:
    """The content of `settings.json`."""
    return sealed_text({"format": FORMAT, **settings, "note": note})


def read_settings(folder: epath.Path) -> dict[str, Any]:
    """The settings of a sweep.

    Raises:
      FileNotFoundError: there are none.
      ValueError: they are damaged, or of another format.
    """
    path = folder / SETTINGS
    if not path.exists():
        raise FileNotFoundError(f"folder: expected the folder of a sweep, got {told(folder)}")
    try:
        settings = parse_record(read_inside(path, folder))
        if not {"num_jobs", "job_ids"} <= settings.keys():
            raise ValueError("it has no settings of a sweep")
    except (ValueError, OSError) as error:
        raise _damaged(path, str(error)) from error
    if (held := settings.get("format", 1)) != FORMAT:
        raise ValueError(
            f"folder: expected a sweep of format {FORMAT}, got {told(folder)} of format "
            f"{held!r:.20}, written by another version of jfool (choose another folder)"
        )
    if not is_sound(settings):
        raise _damaged(path, "its content is not what was written")
    if (wrong := _wrong(settings)) is not None:
        raise _damaged(path, wrong)
    return settings


def difference(came: Any, held: Any) -> str:
    """How two settings differ, in readable form."""
    if _is_described(came) and _is_described(held):
        came, held = came[0], held[0]
        if came == held:
            return " (other numbers)"
    elif _is_digest(came):
        return " (another structure, or other numbers)"
    new, old = _where_they_part(*(_NODE.sub("", json.dumps(value)) for value in (came, held)))
    return f": {new} instead of {old}"


def _damaged(path: epath.Path, reason: str) -> ValueError:
    reason = visible(reason.partition("\n")[0])
    return ValueError(
        f"{told(path)} is damaged: {reason:.100} (restore it, or choose another folder)"
    )


def _wrong(settings: Mapping[str, Any]) -> str | None:
    """Which of the settings that are read is of another kind, in a few words."""
    count, ids = settings["num_jobs"], settings["job_ids"]
    if not (is_whole(count, 0) and count <= _MOST_JOBS):
        return f"num_jobs {count!r:.20}"
    if ids is not None and not (
        isinstance(ids, list)
        and len(ids) == count
        and all(is_whole(i, -_MOST_JOBS) and i < _MOST_JOBS for i in ids)
    ):
        return f"job_ids {ids!r:.20}"
    for name in ("lanes", "chunk"):
        if name in settings and not is_whole(settings[name], 1):
            return f"{name} {settings[name]!r:.20}"
    return None


def _is_described(setting: Any) -> bool:
    """A description, and a digest of structure and numbers."""
    return isinstance(setting, list) and len(setting) == 2 and _is_digest(setting[1])


def _is_digest(setting: Any) -> bool:
    return isinstance(setting, str) and _DIGEST.fullmatch(setting) is not None


def _where_they_part(one: str, other: str) -> tuple[str, str]:
    """Excerpts of two texts around the first place where they differ."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    first = max(0, same - 20)

    def cut(text: str) -> str:
        shown = text[first : same + 30]
        return f"{'...' if first else ''}{shown}{'...' if same + 30 < len(text) else ''}"

    return cut(one), cut(other)
