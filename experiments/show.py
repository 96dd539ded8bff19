"""The tables and pictures of a sweep, also while it runs.

For each k: the highest confidence of every base colour and class, beside that of the colour alone,
and a gallery of those images, gallery-kK.png in the folder of the run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import jfool
from experiments.lab import record
from experiments.lab.colors import parse_colors
from experiments.lab.outcome import Outcome
from experiments.lab.picture import draw
from experiments.lab.publish import figures, print_tables
from experiments.lab.search import Cell, Search, found_of, places_of
from jfool.sweeps import Results

_MOST_CLASSES = 20  # in tables and galleries


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      run: folder of the sweep.
      out: folder for the galleries; by default that of the sweep.
    """

    run: Annotated[Path, tyro.conf.Positional]
    out: Path | None = None


def main(config: Config) -> None:
    """Prints tables, writes galleries; the last line on standard output is JSON."""
    publish(jfool.read_sweep(config.run), config.out or config.run)


def publish(results: Results, folder: Path) -> None:
    """Tables, galleries and the JSON line of a sweep that `python -m experiments sweep` began.

    Raises:
      ValueError: it was begun otherwise.
    """
    note = results.settings.get("note") or {}
    if not isinstance(note, dict) or note.get("experiment") != "sweep":
        raise ValueError(
            "run: expected the folder of `python -m experiments sweep`, got one of another program"
        )
    config, shape = note["config"], tuple(note["image_shape"])
    colors = parse_colors(config["colors"], shape[2], config["dataset"])
    cells = [Cell(color, label) for color in colors for label in note["labels"]]
    places = places_of(config["k"], cells, config["repeats"], len(note["class_names"]))
    search = Search(
        max(config["k"]),
        config["population"],
        objective=config["objective"],
        boundary=config["boundary"],
    )
    attack = search.attack(shape, len(note["class_names"]))
    k_of_row = [places[int(job_id)][1] for job_id in results.column("job_id")]
    shown, galleries = {}, []
    for k in sorted(set(k_of_row)):
        rows = [i for i, other in enumerate(k_of_row) if other == k]
        outcome = Outcome(
            settings={**config, "k": k, "stop_at_success": False},
            card=note["model"],
            class_names=note["class_names"],
            bases=[color.name for color in colors],
            labels=note["labels"][:_MOST_CLASSES],
            found=found_of(results, attack, places, config["objective"], rows),
            retried=None,
            plain=np.array(note["plain"])[:, :_MOST_CLASSES],
            seconds={"search": float(results.column("seconds")[rows].sum())},
        )
        print_tables(outcome)
        galleries.append(folder / f"gallery-k{k}.png")
        draw(outcome, galleries[-1])
        shown[f"k = {k}"] = figures(outcome)
    drawn = ", ".join(map(str, galleries)) or "none"
    print(f"{len(results)} of {len(places)} jobs are done; galleries: {drawn}")
    record.print_json(
        {
            "experiment": "sweep",
            "settings": config,
            "done": len(results),
            "missing": len(results.missing),
            "figures": shown,
            "test_accuracy": note["model"]["accuracy"],
            "galleries": galleries,
        }
    )
