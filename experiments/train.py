"""Trains a network by its paper's recipe, and keeps it where the other experiments find it.

An interrupted training resumes after its last finished epoch when the same command is started
again. The weights (safetensors) and a JSON card with the recipe, its source, its assumptions, the
seed and the accuracy are kept in the cache folder (`JFOOL_CACHE`). The weights of a training that
`--num-epochs` ended early are written only to `--out`.
"""

from pathlib import Path
from typing import Annotated, Any

import models
from experiments import lab
from experiments.lab.progress import say
from experiments.lab.record import print_json, versions
from experiments.lab.victims import load_victim
from models.weights import check_savable, save


def _savable(name: str, path: Path, _: Any) -> None:
    check_savable(path, name)


Weights = Annotated[lab.OutFile, lab.Check(_savable, last=True)]


@lab.settings
class Settings:
    dataset: lab.Dataset = "digits"  # digits needs no download
    network: lab.TrainedNetwork = "lenet"  # one that has a recipe for these data
    seed: lab.Seed = 0  # of the initial weights, dropout, and the order of the images
    num_epochs: lab.Count | None = None  # stop after this many; the same command resumes
    out: Weights | None = None  # also write weights and card here, a path ending in .safetensors


def main(settings: Settings) -> None:
    """Trains unless it was trained before; the last line on standard output is JSON."""
    recipe = models.recipe_for(settings.network, settings.dataset)
    say(f"recipe: {recipe.settings()}, after {recipe.source}")
    dataset = models.load_dataset(settings.dataset)
    victim = load_victim(settings.network, dataset, settings.seed, settings.num_epochs)
    model, card = victim.model, dict(victim.card)
    path = settings.out
    if path is not None:
        save(model, path, card)
    elif "epochs" not in card:  # a training that ended early is not kept as weights
        path = models.weights_path(settings.network, settings.dataset, settings.seed)
    print_json({"experiment": "train", "weights": path, "card": card, **versions()})
