"""`python -m experiments` lists the experiments; `python -m experiments NAME ...` runs one."""

import ast
import importlib
import importlib.util
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Name -> module with a docstring, a frozen dataclass `Config` and `main(config)`; where it has
# `PRESETS`, one of their names follows the experiment's: `python -m experiments de_tables reduced`.
EXPERIMENTS = {
    "demo": "experiments.demo",
    "sfi": "experiments.sfi",
    "sweep": "experiments.sweep",
    "show": "experiments.show",
    "networks": "experiments.networks",
    "plan": "experiments.plan",
    "train": "experiments.train",
    "table1": "experiments.kumano2020.table1",
    "theory": "experiments.kumano2020.theory",
    "de_tables": "experiments.kumano2020.de_tables",
    "architectures": "experiments.kumano2020.architectures",
    "imagenet": "experiments.kumano2020.imagenet",
    "centipede": "experiments.kumano2020.centipede",
    "deep_features": "experiments.kumano2020.deep_features",
    "inversion": "experiments.kumano2020.inversion",
    "heat_maps": "experiments.kumano2020.heat_maps",
    "defence": "experiments.kumano2020.defence",
    "transfer": "experiments.kumano2020.transfer",
    "one_pixel": "experiments.su2019.one_pixel",
    "greedy": "experiments.greedy.greedy",
    "evolved_mnist": "experiments.nguyen2015.mnist",
    "evolved_imagenet": "experiments.nguyen2015.imagenet",
    "nearest_images": "experiments.nguyen2015.nearest_images",
    "evolved_transfer": "experiments.nguyen2015.transfer",
    "evolved_retraining": "experiments.nguyen2015.rounds",
    "evolved_natural_retraining": "experiments.nguyen2015.natural",
    "ascent": "experiments.nguyen2015.ascent",
    "report": "experiments.report",
    "bench engine": "experiments.bench.engine",
    "bench peers": "experiments.bench.peers",
    "bench evolve": "experiments.bench.evolve",
    "bench sweep": "experiments.bench.sweep",
    "bench models": "experiments.bench.models",
    "bench precision": "experiments.bench.precision",
}
INTERRUPTED = 130
_OURS = ("jfool", "models", "experiments")
_ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 2 for what the user can mend, 130 after Ctrl-C."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listing())
        return 0
    name = next((n for n in EXPERIMENTS if n.split() == list(arguments[: len(n.split())])), None)
    if name is None:
        got = " ".join(word for word in arguments[:2] if not word.startswith("-"))
        print(f"experiment: expected one of {', '.join(EXPERIMENTS)}; got {got}", file=sys.stderr)
        return 2
    try:
        return _run(name, arguments[len(name.split()) :])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        if not _refusal(error):
            raise
        print(error, file=sys.stderr)
        return 2


def listing() -> str:
    """Every experiment with the first sentence of its module, without importing it."""
    width = max(map(len, EXPERIMENTS))
    lines = [f"  {name:{width}}  {_first_line(module)}" for name, module in EXPERIMENTS.items()]
    return "\n".join(["python -m experiments NAME [--help]", "", *lines])


def _run(name: str, options: Sequence[str]) -> int:
    try:
        return _configure_and_run(name, options)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS:
            raise
        extra = "peers" if name in ("bench peers", "bench models") else "experiments"
        print(f'{missing} is not installed: pip install -e ".[{extra}]"', file=sys.stderr)
        return 2


def _configure_and_run(name: str, options: Sequence[str]) -> int:
    import tyro

    module = importlib.import_module(EXPERIMENTS[name])
    shared: dict[str, Any] = {
        "args": list(options),
        "prog": f"python -m experiments {name}",
        "description": module.__doc__,
    }
    presets = getattr(module, "PRESETS", None)  # name -> (what it is, Config)
    if presets is None:
        config = tyro.cli(module.Config, **shared)
    else:
        config = tyro.extras.overridable_config_cli(presets, **shared)
        _check_folder(name, config.out or Path("runs"))
    module.main(config)
    return 0


def _check_folder(name: str, out: Path) -> None:
    """Refuses a folder that cannot be made or written to, or holds what another experiment found;
    makes none."""
    existing = next(path for path in (out, *out.absolute().parents) if os.path.exists(path))
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise ValueError(
            f"out: expected a folder to write to, got {existing} ({error.strerror})"
        ) from error
    from experiments.lab.section import SECTION, read_section

    if (out / SECTION).exists():
        found, _ = read_section(out)
        if not f"{found.command} ".startswith(f"python -m experiments {name} "):
            raise ValueError(
                f"out: expected a new folder or one of {name}, got {out}, which holds {found.name}"
            )


def _first_line(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return "(missing)"
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    return (text or "").partition("\n")[0]


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
