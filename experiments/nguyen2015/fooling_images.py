"""What Nguyen et al. (2015) train networks on: champions of the first and of the last generation of
runs against a network."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

import models
from experiments import lab
from experiments.lab.progress import say
from experiments.lab.retraining import as_bytes, measure, train_with
from experiments.nguyen2015.figures import caption, percent, share
from experiments.nguyen2015.methods import METHODS, ArchiveEvolution, every_class, evolve

FOOLING = "fooling"  # the name of their class
MEANINGS = (
    "Score: the confidence in its class of a champion of the last generation. Fooled: the share of "
    "these that is taken for its class; at 99 %: the share with that confidence. Recognized: the "
    "share of the images held out that is taken for fooling."
)
Images = UInt8[np.ndarray, "N H W C"]


@lab.settings
class Retraining:
    """What experiments with retrained networks have in common."""

    dataset: lab.Dataset = "mnist"  # digits needs no download
    network: lab.TrainedNetwork = "lenet"  # trained here by its recipe, once for each DNN
    num_steps: lab.Count | None = None  # of each training; by default the recipe's
    training_seed: lab.Seed = 0  # of all networks
    search: ArchiveEvolution = ArchiveEvolution(generations=200)


def retrain(
    s: Retraining,
    run: lab.Run,
    name: str,
    dataset: models.Dataset,
    known: Sequence[Images] = (),
    new: Sequence[Images] = (),
    *,
    runs: int,
    held_out: int = 0,
    first_run: int = 0,
) -> tuple[models.Network, lab.Records, lab.Records]:
    """Trains a network that knows some fooling images, and evolves CPPNs through it.

    Args:
      s, run: settings; whose folder keeps the network and the sweeps.
      name: of the network.
      dataset: natural images; images evolve for its classes alone.
      known: sets of fooling images that are trained on, a class of their own.
      new: sets of fooling images that the network is measured on.
      runs, held_out: how many to train on later, and how many more that are not, the last ones.
      first_run: see `evolve`.
    Returns:
      The network. A record of it: the shares of `Measured`, NaN where there are none, and numbers
      of images: fooling ones that are trained on (`outliers`), all that are trained on (`train`) or
      measured on (`val`). And a record for each run, generation and class, with the columns of
      `Archives.champions` and: `network`; `generation`, "first" or "last"; `held_out`; `score`, the
      confidence in the class, 0 where the network gives none. They are sorted by runs: the first
      images are of few runs but of both generations.
    """
    file = name.replace(", ", "_").replace("-", "")
    path = run.folder / "networks" / f"{file}.safetensors"
    options: dict[str, Any] = {"num_steps": s.num_steps, "seed": s.training_seed}
    model = train_with(path, s.network, dataset, known, name=FOOLING, **options)
    measured = dataclasses.asdict(measure(model, dataset, new))
    outliers = sum(map(len, known))
    network = lab.Records.of(
        network=[name],
        outliers=outliers,
        train=len(dataset.train_images) + outliers,
        val=len(dataset.test_images) + sum(map(len, new)),
        **{share: np.array(value, float) for share, value in measured.items()},
    )
    encoding = METHODS["cppn"](model.image_shape)
    targets = every_class(len(dataset.class_names), runs + held_out)
    parts = []
    for generation, num_steps in (("first", 0), ("last", None)):
        options = {"num_steps": num_steps, "first_run": first_run}
        found = evolve(run, f"{file}/{generation}", encoding, model, targets, s.search, **options)
        parts.append(found.champions.plus(network=name, generation=generation))
    both = lab.Records.joined(parts)
    score = np.nan_to_num(both["confidence"], nan=0.0)
    champions = both.plus(held_out=both["run"] >= runs, score=score).ordered(both["run"])
    cells = summary(champions)
    say(f"{name}: median score {cells['median score']} %, {cells['fooled']} % fool it")
    return model, network, champions


def joined(found: Sequence[tuple[Any, lab.Records, lab.Records]]) -> dict[str, lab.Records]:
    """The records of several networks."""
    _, networks, champions = zip(*found, strict=True)
    return {"networks": lab.Records.joined(networks), "champions": lab.Records.joined(champions)}


def num_distinct(of: lab.Records) -> int:
    """Images that differ in a byte."""
    return len({image.tobytes() for image in as_bytes(of["image"])})


def summary(of: lab.Records) -> dict[str, lab.Cell]:
    """Cells of what evolved through one network: of the champions of the last generation."""
    last = of.where(generation="last")
    return {
        "median score": percent(float(np.median(last["score"]))),
        "fooled": share(last["fooled"].mean()),
        "at 99 %": share((last["score"] >= 0.99).mean()),
    }


def first_champions(champions: lab.Records) -> list[lab.Row]:
    """Of each network the last champions of its first run; beside them, the median of all runs."""
    rows = lab.tiles(champions.where(generation="last", run=0), "network", caption)
    medians = {name: summary(of)["median score"] for name, of in champions.groups("network")}
    return [(f"{name}\n{medians[name]} %", row) for name, row in rows]
