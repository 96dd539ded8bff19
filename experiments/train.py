"""Trains a network by its paper's recipe, and keeps it where the other experiments find it.

An interrupted training goes on from its last whole epoch when the same command is started again.
The weights, safetensors, lie beside a JSON card with the recipe, its source, what it assumes, the
seed and the accuracy; both in the cache folder (`JFOOL_CACHE`).
"""

from dataclasses import dataclass
from pathlib import Path

import models
from experiments.lab.progress import say
from experiments.lab.record import claim_file, print_json, versions
from experiments.lab.victims import check_num_epochs, check_seed, check_victim, victim
from models.weights import check_savable, save
from models.zoo import weights_path


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: digits (needs no download), mnist, fashion_mnist or cifar10.
      model: a network that has a recipe for these data.
      seed: of the start weights, of dropout, and of the order of the images.
      num_epochs: stop behind so many, if the recipe has more and they are not done yet; the same
        command goes on, and only `out` keeps the weights.
      out: also write the weights and the card here, a path ending in .safetensors.
    """

    dataset: str = "digits"
    model: str = "lenet"
    seed: int = 0
    num_epochs: int | None = None
    out: Path | None = None


def main(config: Config) -> None:
    """Trains unless it was trained before; the last line on standard output is JSON."""
    check_victim(config.model, config.dataset, None)
    check_seed(config.seed)
    check_num_epochs(config.num_epochs)
    claim_file(config.out)
    if config.out is not None:
        check_savable(config.out, "out")
    recipe = models.recipe_for(config.model, config.dataset)
    say(f"recipe: {recipe.settings()}, after {recipe.source}")
    dataset = models.load_dataset(config.dataset)
    model, card = victim(config.model, dataset, config.seed, num_epochs=config.num_epochs)
    path = config.out
    if path is not None:
        save(model, path, card)
    elif "epochs" not in card:  # a training that ended early is not kept as weights
        path = weights_path(config.model, config.dataset, config.seed)
    print_json({"experiment": "train", "weights": path, "card": card, **versions()})
