"""Table 1 of paper 000, the accuracies of the attacked networks: the paper's beside ours.

Networks are trained where the cache does not hold them yet. The paper prints whole percent, and
leaves widths, batch sizes and numbers of epochs open: its figures are a landmark, not an oracle.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import models
from experiments.lab.progress import say
from experiments.lab.record import claim_file, print_json, versions, write_json
from experiments.lab.victims import check_num_epochs, check_seed, how, split_spec, victim

# Percent. Of Table 1; the two CNNs apart as in Tables 14 and 15, whose other values differ from
# Table 1's by a point or two.
PAPER = {
    "mnist": {"mlp": 97, "cnn": 98, "cnn_nopool": 98, "capsnet": 98},
    "fashion_mnist": {"mlp": 86, "cnn": 88, "cnn_nopool": 88, "capsnet": 89},
    "cifar10": {"cifar_vgg16": 80, "nin": 84, "cifar_resnet50": 80},
}


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      datasets: rows: mnist, fashion_mnist, cifar10. (CIFAR-10's networks need a GPU: VGG16, NiN and
        ResNet50 take 25 to 94 TFLOP an epoch.)
      models: columns, `NAME` or, for weights of one's own, `NAME=FILE`; by default all of the
        paper's.
      seed: of the training.
      num_epochs: train no further than that, if the recipe has more; rows tell what is done.
      out: also write the record to this file.
    """

    datasets: tuple[str, ...] = ("mnist", "fashion_mnist")
    models: tuple[str, ...] | None = None
    seed: int = 0
    num_epochs: int | None = None
    out: Path | None = None


def main(config: Config) -> None:
    """Prints a table, then one JSON line."""
    for setting in ("datasets", "models"):
        if getattr(config, setting) == ():
            raise ValueError(f"{setting}: expected at least one, got none")
    if unknown := [name for name in config.datasets if name not in PAPER]:
        raise ValueError(f"datasets: expected {', '.join(PAPER)}, got {unknown[0]!r}")
    known = {name for dataset in config.datasets for name in PAPER[dataset]}
    weights = dict(map(split_spec, config.models or sorted(known)))
    if len(weights) < len(config.models or ()) or len({*config.datasets}) < len(config.datasets):
        got = " ".join((*config.datasets, *(config.models or ())))
        raise ValueError(f"datasets, models: expected each once, got {got}")
    for name, file in weights.items():
        if name not in known:
            raise ValueError(
                f"models: expected {', '.join(sorted(known))} for {', '.join(config.datasets)}, "
                f"got {name!r}"
            )
        if file is not None and not file.is_file():
            raise FileNotFoundError(f"models: expected a file of weights, got none at {file}")
    check_seed(config.seed)
    check_num_epochs(config.num_epochs)
    claim_file(config.out)
    rows = []
    for dataset_name in config.datasets:
        dataset = models.load_dataset(dataset_name)
        for name, paper in PAPER[dataset_name].items():
            if name in weights:
                say(f"{name} on {dataset_name}")
                _, card = victim(name, dataset, config.seed, weights[name], config.num_epochs)
                rows.append({"paper": paper, **card})
    _print(rows)
    settings = dataclasses.asdict(config)
    if config.models is not None:
        shown = (name if file is None else f"{name}={file.name}" for name, file in weights.items())
        settings["models"] = list(shown)
    record = {"experiment": "table1", **settings, "rows": rows, **versions()}
    if config.out is not None:
        write_json(config.out, record)
    print_json(record)


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title="Test accuracy, percent (paper 000, Table 1)", box=None)
    for heading in ("data", "network", "paper", "measured", "recipe", "seed"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            row["dataset"],
            row["model"],
            str(row["paper"]),
            f"{100 * row['accuracy']:.2f}",
            how(row),
            str(row.get("seed", "")),
        )
    Console(width=110).print(table)
