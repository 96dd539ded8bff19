"""How many test images a network gets right whatever AutoAttack does to them.

    python -m experiments robustness --dataset mnist --network wong=FILE --epsilon 0.1 --images 1000

The attacks run one after another, each on the images that are still right; a run that was stopped
resumes. The table has the accuracy that is left after each. The last line is JSON, with
`clean_accuracy`, `robust_accuracy`, `seconds`, `num_queries` and `num_gradients`. By default an MLP
is trained on scikit-learn's digits, without any download; that takes a minute on two cores.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

import jfool
import models
from experiments import lab
from experiments.lab.predict import as_floats, probabilities
from experiments.lab.progress import sweep_progress
from jfool.attacks.auto_attack import VERSIONS
from jfool.metrics import Rate, Robustness

NORMS = {"Linf": jfool.Linf(), "L2": jfool.L2(), "L1": jfool.L1()}
_SHOWN = 8  # images of the gallery


@lab.settings
class Settings:
    dataset: lab.Dataset = "digits"  # digits needs no download
    network: lab.Network = "mlp"  # NAME=FILE, or NAME to train it here
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    norm: Annotated[str, lab.one_of(NORMS)] = "Linf"  # of the ball around each image
    # its radius, in units of pixels in [0, 1]
    epsilon: Annotated[float, lab.between(0, 2**24, "a radius above 0")] = 0.02
    images: lab.Count = 20  # the first ones of the test set
    attack: Annotated[str, lab.one_of(VERSIONS)] = "standard"  # version of AutoAttack
    seed: lab.Seed = 0  # of the attacks
    chunk: lab.Chunk = 1024  # images per call of the network


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each image."""
    dataset = models.load_dataset(s.dataset)
    if s.images > (most := len(dataset.test_images)):
        raise ValueError(f"images: expected at most the {most} of {s.dataset}, got {s.images}")
    victim = lab.load_victim(s.network, dataset, s.training_seed)
    images, labels = as_floats(dataset.test_images[: s.images]), dataset.test_labels[: s.images]
    with _progress() as on_progress:
        found = jfool.robust_accuracy(
            jax.random.key(s.seed, impl="threefry2x32"),
            victim.model,
            images,
            labels,
            NORMS[s.norm],
            s.epsilon,
            attack=s.attack,
            folder=run.folder / "stages",
            chunk=s.chunk,
            on_progress=on_progress,
        )
    before, after = (probabilities(victim.model, x) for x in (images, found.images))
    of_images = lab.Records.of(
        image_id=np.arange(s.images),
        label=labels,
        broken_by=found.broken_by,
        distance=found.distances,
        num_queries=found.num_queries,
        num_gradients=found.num_gradients,
        clean_confidence=before.max(1),
        prediction=after.argmax(1),
        confidence=after.max(1),
        base=images,
        image=found.images,
    )
    return {"images": of_images, "found": found, "victim": victim}


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, jfool.sweeps.Progress], None]]:
    """Lends what `jfool.robust_accuracy` calls: one bar at a time."""
    shown = {}
    with contextlib.ExitStack() as stack:

        def report(name: str, now: jfool.sweeps.Progress) -> None:
            if name not in shown:
                stack.close()
                shown[name] = stack.enter_context(sweep_progress(name))
            shown[name](now)

        yield report


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """A row for each attack."""
    of: Robustness = found["found"]
    rows = {"before": accuracy(of.clean_accuracy)}
    for name, stage in of.stages.items():
        rows[f"after {name}"] = {
            **accuracy(stage.robust_accuracy),
            "broken": f"{stage.num_broken} of {stage.num_attacked}",
            "queries": stage.num_queries,
            "gradients": stage.num_gradients,
            "seconds": stage.seconds,
        }
    yield lab.table(f"Accuracy on {s.images} images, %", rows)


def accuracy(rate: Rate) -> dict[str, lab.Cell]:
    return lab.rate("accuracy", rate.rate, rate.num_images)


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Broken images below their originals."""
    of = found["images"]
    broken = of.rows(~np.isin(of["broken_by"], ["", "clean"])).rows(slice(_SHOWN))
    if not len(broken):
        return
    names = models.class_names(s.dataset)
    before = broken.columns("base", "label", "clean_confidence")
    after = broken.columns("image", "prediction", "confidence")
    rows = [
        (head, [lab.Tile(x, f"{names[c]}: {lab.floored(p)} %") for x, c, p in shown])
        for head, shown in (("original", before), ("attacked", after))
    ]
    lab.draw_gallery(out / "broken.png", rows)
    yield lab.Picture("broken.png", "The first images that were broken, with confidences.")


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    return [
        found["victim"].note,
        "An image that is wrong before any attack is not robust.",
        "Intervals are Wilson's, 95 %. Seconds are those of the last call, compilation included.",
        *found["found"].warnings,
    ]


def told(s: Settings, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the last line says."""
    of: Robustness = found["found"]
    stages = [dataclasses.asdict(stage) for stage in of.stages.values()]
    totals = ("seconds", "num_queries", "num_gradients")
    return {
        "clean_accuracy": of.clean_accuracy.rate,
        "robust_accuracy": of.robust_accuracy.rate,
        **{name: sum(stage[name] for stage in stages) for name in totals},
    }


EXPERIMENT = lab.Experiment(
    Settings(), {}, records, tables, pictures, notes,
    title="AutoAttack ({attack}) on {dataset}, {norm} {epsilon}",
    source="Croce & Hein (2020)",
    agenda=(),
    told=told,
)  # fmt: skip
