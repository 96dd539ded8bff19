"""Damage to files, and what a reader owes to a damaged file: what it held, or a sentence.

Every mutator is seeded. `JFOOL_FUZZ_CASES=100` tries a hundred times as many cases.
"""

import contextlib
import copy
import json
import os
import random
import resource
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(str(ROOT / name) for name in ("jfool", "models", "experiments"))
MOST_SECONDS, MOST_BYTES = 10.0, 2**29  # of one case
_SCALE = float(os.environ.get("JFOOL_FUZZ_CASES", "1"))
_DEEP = "nested 10 000 deep"  # stands for it until the text is written: no encoder nests so deep

HOSTILE_TEXTS = (
    "",
    "..",
    "../../../etc/passwd",
    "/etc/passwd",
    "a\x00b",
    "\x1b[2J\x1b[31mred",
    "\ud800",
    "two\nlines",
    "<script>alert('a & b')</script>",
    "\u202egnp.exe",
    "x" * 10_000,
)
HOSTILE_NUMBERS = (0, -1, 1, 2**31, 2**40, 10**400, 0.5, 1e308, float("nan"), float("-inf"))
HOSTILE_VALUES = (None, True, [], {}, [[[]]], [None], {"a": {}}, *HOSTILE_TEXTS, *HOSTILE_NUMBERS)


def cases(count: int) -> int:
    """How many cases to try instead of `count`."""
    return max(1, round(count * _SCALE))


def mutations(data: bytes, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """`count` damaged copies, each with the name of its damage; some have two or three at once."""
    rng = random.Random(seed)
    for _ in range(count):
        names, damaged = [], data
        for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
            mutator = rng.choice(_MUTATORS)
            names.append(mutator.__name__)
            damaged = mutator(rng, damaged)
        yield "+".join(names), damaged


def _place(rng: random.Random, data: bytes) -> tuple[int, int]:
    """A short range, as often at the ends, where headers are, as between."""
    first = rng.choice((rng.randrange(len(data) + 1), min(rng.randrange(64), len(data)),
                        max(0, len(data) - rng.randrange(64))))  # fmt: skip
    return first, min(len(data), first + rng.choice((1, 2, 4, 8, 8, 64, 1024)))


def flipped(rng: random.Random, data: bytes) -> bytes:
    first, _ = _place(rng, data[:-1])
    return b"".join((data[:first], bytes(x ^ 1 << rng.randrange(8) for x in data[first:first + 1]),
                     data[first + 1 :]))  # fmt: skip


def overwritten(rng: random.Random, data: bytes) -> bytes:
    """By zeros, ones, noise, or a number that is large as a length, keeping the file's length."""
    first, end = _place(rng, data)
    size = end - first
    large = rng.choice((2**16, 2**31 - 1, 2**31, 2**40, 2**62)).to_bytes(8, "little") * (size // 8)
    return data[:first] + rng.choice(
        (bytes(size), b"\xff" * size, rng.randbytes(size), large.ljust(size, b"\x7f"))
    ) + data[end:]  # fmt: skip


def truncated(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice((0, 1, rng.randrange(len(data) + 1), max(0, len(data) - 1)))]


def inserted(rng: random.Random, data: bytes) -> bytes:
    first, end = _place(rng, data)
    return data[:first] + rng.choice((rng.randbytes(end - first), data[first:end])) + data[first:]


def removed(rng: random.Random, data: bytes) -> bytes:
    first, end = _place(rng, data)
    return data[:first] + data[end:]


def swapped(rng: random.Random, data: bytes) -> bytes:
    """Two ranges of one length exchange their places."""
    size = rng.choice((1, 4, 64))
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    if b < a + size or b + size > len(data):
        return data[::-1]
    return (
        data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]
    )


def lengthened(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice((b"\x00", b"\n", rng.randbytes(100), data))


_MUTATORS = (flipped, flipped, overwritten, truncated, inserted, removed, swapped, lengthened)


def json_mutations(value: Any, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """JSON texts with one value replaced, removed, renamed, told twice or nested 10 000 deep."""
    rng = random.Random(seed)
    for _ in range(count):
        damaged = copy.deepcopy(value)
        holder, key = rng.choice([*_slots(damaged)])
        kind = rng.choice(("value", "value", "value", "deep", "gone", "renamed", "exchanged"))
        if kind == "value":
            holder[key] = rng.choice(HOSTILE_VALUES)
        elif kind == "deep":
            holder[key] = _DEEP
        elif kind == "exchanged":
            other, place = rng.choice([*_slots(damaged)])
            holder[key] = copy.deepcopy(other[place])
        else:
            kept = holder.pop(key)
            if kind == "renamed" and isinstance(holder, dict):
                holder[rng.choice(HOSTILE_TEXTS)] = kept
        text = json.dumps(damaged, indent=rng.choice((None, 1)))
        deep = rng.choice(("[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000))
        text = text.replace(f'"{_DEEP}"', deep)
        if rng.random() < 0.1 and text.startswith("{") and isinstance(value, dict):
            name = rng.choice([*value])
            told = json.dumps(name), json.dumps(rng.choice(HOSTILE_VALUES))
            kind, text = "twice", f"{text.rstrip()[:-1]}, {': '.join(told)}}}"
        yield f"{kind} at {key!r:.40}", text.encode("utf-8", "surrogatepass")


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key or index) of everything inside."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _slots(value[key])


def disturb(rng: random.Random, folder: Path, other: Path, outside: Path) -> str:
    """Does to one file of a folder what copies, crashes and attackers do; returns what.

    Args:
      other: a folder of the same kind, of another run, whose files may take the place of these.
      outside: a file that nobody may read or write through a link in the folder.
    """
    path = rng.choice(files_of(folder))
    what, act = rng.choice(_DISTURBANCES)
    act(rng, path, folder, other, outside)
    return f"{what}: {path.relative_to(folder)}"


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _replace_by(make: Callable[[Path, Path], None]) -> Callable[..., None]:
    def act(_: Any, path: Path, folder: Path, other: Path, outside: Path) -> None:
        del folder, other
        path.unlink()
        make(path, outside)

    return act


def _exchange(rng: random.Random, path: Path, folder: Path, other: Path, *_: Path) -> None:
    alike = [p for p in files_of(other) if p.parent.name == path.parent.name]
    shutil.copy(rng.choice(alike or files_of(other)), path)
    del folder


def _add_of_other(rng: random.Random, path: Path, folder: Path, other: Path, _: Path) -> None:
    del path
    more = rng.choice(files_of(other))
    (folder / more.relative_to(other)).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(more, folder / more.relative_to(other))


def _swap(rng: random.Random, path: Path, folder: Path, *_: Path) -> None:
    second = rng.choice(files_of(folder))
    a, b = path.read_bytes(), second.read_bytes()
    path.write_bytes(b)
    second.write_bytes(a)


def _again(rng: random.Random, path: Path, *_: Path) -> None:
    names = (f"copy of {path.name}", f"{path.stem} (1){path.suffix}", f"\x1b[31m{path.name}")
    shutil.copy(path, path.with_name(rng.choice(names)))


def _litter(rng: random.Random, path: Path, *_: Path) -> None:
    """What desktops leave behind."""
    name = rng.choice((".DS_Store", f"._{path.name}", "²", ".nfs0001"))
    rng.choice((path, path.parent)).with_name(name).write_bytes(b"\x00\x05\x16\x07")


def _damage(rng: random.Random, path: Path, *_: Path) -> None:
    content = next(mutations(path.read_bytes(), 1, rng.getrandbits(32)))[1]
    path.write_bytes(content)


_DISTURBANCES: tuple[tuple[str, Callable[..., None]], ...] = (
    ("damaged", _damage),
    ("exchanged for one of another run", _exchange),
    ("one of another run added", _add_of_other),
    ("swapped with another", _swap),
    ("there again", _again),
    ("litter beside", _litter),
    ("removed", _replace_by(lambda path, outside: None)),
    ("emptied", _replace_by(lambda path, outside: path.touch())),
    ("a folder", _replace_by(lambda path, outside: path.mkdir())),
    ("a link out of the folder", _replace_by(lambda path, outside: path.symlink_to(outside))),
    ("a link to nothing", _replace_by(lambda path, outside: path.symlink_to("nothing"))),
    ("a link to itself", _replace_by(lambda path, outside: path.symlink_to(path.name))),
    ("a pipe", _replace_by(lambda path, outside: os.mkfifo(path))),
)


class Outcomes:
    """What readers made of damaged files.

    Attributes:
      same, refused: how many.
      sentences: how often each was said, without what came.
    """

    def __init__(self) -> None:
        self.same = self.refused = 0
        self.sentences: Counter[str] = Counter()

    def check(self, damage: str, read: Callable[[], Any], same: Callable[[Any], bool]) -> None:
        """Fails unless what is read is the same as before, or is refused as the house does it.

        Args:
          damage: its name, for the failure.
          read: reads the damaged file.
          same: whether that is what the undamaged file held.
        """
        __tracebackhide__ = True
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.monotonic()
        try:
            with _time_limit(MOST_SECONDS):
                found = read()
        except Exception as error:
            self._judge(damage, error)
        else:
            assert same(found), f"{damage}: other values than were written: {found!r:.300}"
            self.same += 1
        took = time.monotonic() - started
        assert took < MOST_SECONDS, f"{damage}: took {took:.0f} s"
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        assert grown < MOST_BYTES, f"{damage}: took {grown / 2**20:.0f} MiB"

    def _judge(self, damage: str, error: Exception) -> None:
        if (fault := fault_of(error)) is not None:
            raise AssertionError(f"{damage}: {fault}: {type(error).__name__}: {error}") from error
        self.refused += 1
        self.sentences[str(error).partition(" got ")[0][-60:]] += 1


def fault_of(error: Exception) -> str | None:
    """What is wrong with a refusal, or None."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    if not (last.filename.startswith(OURS) and (last.line or "").startswith("raise ")):
        return f"a raw trace from {last.filename}:{last.lineno}"
    text = str(error)
    if not isinstance(error, (ValueError, TypeError, OSError)):
        return "no ValueError, TypeError or OSError"
    if len(text) > 300:
        return f"{len(text)} characters"
    return None if text.isprintable() else f"control characters in {text!r}"


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def give_up(*_: Any) -> None:
        raise RuntimeError(f"still not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fresh_copies(whole: Path, copies: Path, count: int) -> Iterable[tuple[int, Path]]:
    """`count` times a new copy of a folder, numbered; each goes before the next one comes."""
    for number in range(count):
        shutil.copytree(whole, copies, symlinks=True)
        yield number, copies
        shutil.rmtree(copies)
