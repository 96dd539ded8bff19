"""Tables and galleries of a sweep, finished or still running.

    python -m experiments show runs/sweep

For each k: the best and the mean confidence of every base color and class, beside that of the color
alone, and a gallery of the best images, gallery-kK.png.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

import jfool
from experiments import lab
from experiments.lab.section import Section, publish
from experiments.lab.sparse import measured_in
from experiments.lab.sparse_tables import NOT_FOOLED, budget, gallery_of, tables_of, title_of
from jfool.sweeps import Results
from models.cache import home

MOST_CLASSES = 20  # in tables and galleries


@lab.settings
class Settings:
    run: Annotated[str, tyro.conf.Positional]  # folder of the sweep, on a disk or an object store
    out: Path | None = None  # folder of the galleries; by default that of the sweep


def main(settings: Settings) -> None:
    """Prints tables, writes galleries; the last line on standard output is JSON."""
    results = jfool.read_sweep(settings.run)
    out = settings.out or folder_of(settings.run)
    out.mkdir(parents=True, exist_ok=True)
    show(results, folder_of(settings.run).name, out)


def folder_of(run: str) -> Path:
    """Folder for the pictures of a sweep: its own, or below runs/ for one on an object store."""
    return Path("runs") / Path(run).name if "://" in run else home(run)


def show(results: Results, name: str, out: Path) -> None:
    """Publishes tables and galleries of a sweep that `python -m experiments sweep` began.

    Args:
      results: of the sweep, which need not have ended.
      name: of the section, below "sweep/".
      out: folder of the section.
    Raises:
      ValueError: another program began it.
    """
    note = results.settings.get("note") or {}
    if not isinstance(note, dict) or note.get("experiment") != "sweep":
        raise ValueError(
            "run: expected the folder of `python -m experiments sweep`, got one of another program"
        )
    sweep, total = note["settings"], len(results) + len(results.missing)
    found = measured_in(results, wanted_of(note))
    plain = dict(zip(note["colors"], note["plain"], strict=True))
    cells = found.columns("color", "target")
    found = found.plus(plain=[plain[color][target] for color, target in cells])
    shown = found.rows(np.isin(found["target"], note["classes"][:MOST_CLASSES]))
    publish(
        Section(
            name=f"sweep/{name}",
            title=f"Sweep: {title_of(lab.name_of(sweep['network']))} on "
            f"{title_of(sweep['dataset'])}",
            source="Sparse fooling images, as in tables 2 to 15 of Kumano et al. (2020)",
            preset="",
            command=note["command"],
            settings=sweep,
            tables=[
                table
                for k, of_k in shown.groups("k")
                for table in tables_of(of_k, note["class_names"], f"k = {k}")
            ],
            pictures=list(galleries(results, shown, note, out)),
            notes=list(notes(note, len(results), total)),
        ),
        out,
        done=len(results),
        missing=len(results.missing),
    )


def wanted_of(note: Mapping[str, Any]) -> lab.Records:
    """The jobs of a sweep."""
    sweep = note["settings"]
    return lab.cells(
        sweep["ks"],
        sweep["colors"],
        note["classes"],
        sweep["repeats"],
        num_classes=len(note["class_names"]),
        shape=tuple(note["image_shape"]),
    )


def attack_of(sweep: Mapping[str, Any], shape: tuple[int, int, int], num_classes: int) -> Any:
    """The attack of a sweep, which has room for the largest k."""
    return jfool.SparseFooling(
        shape,
        num_classes,
        max_k=max(sweep["ks"]),
        search=jfool.DifferentialEvolution(sweep["population"]),
        objective=lab.OBJECTIVES[sweep["objective"]](),
        boundary=sweep["boundary"],
    )


def galleries(
    results: Results, found: lab.Records, note: Mapping[str, Any], out: Path
) -> Iterator[lab.Picture]:
    """For each k the most confident image of each cell."""
    sweep, names = note["settings"], note["class_names"]
    attack = attack_of(sweep, tuple(note["image_shape"]), len(names))
    told = f"test accuracy {100 * note['model']['accuracy']:.1f} %"
    told += f", best of {sweep['repeats']}" if sweep["repeats"] > 1 else ""
    for k, of_k in found.groups("k"):
        best = of_k.best("color", "target")
        images = results.images(attack, jfool.SparseJob, best["row"].tolist())
        rows, heads = gallery_of(best.plus(image=images), names)
        file = f"gallery-k{k}.png"
        subtitle = f"k = {k}, {told}, {budget(sweep['population'], sweep['generations'])}"
        lab.draw_gallery(out / file, rows, heads, subtitle=subtitle, orange=NOT_FOOLED)
        yield lab.Picture(file, f"k = {k}: the most confident image of every color and class.")


def notes(note: Mapping[str, Any], done: int, total: int) -> Iterator[str]:
    yield f"{done} of {total} jobs are done."
    if len(note["classes"]) > MOST_CLASSES:
        yield f"Shown are the first {MOST_CLASSES} of {len(note['classes'])} classes."
