"""Kumano et al. (2020), table 1: the accuracies of the attacked networks.

    python -m experiments kumano2020 table1 paper --datasets mnist fashion_mnist

Networks are trained unless an earlier run has trained them. The paper prints whole percent. It
leaves widths, batch sizes and numbers of epochs open, so its numbers are only a rough guide.
CIFAR-10's networks need a GPU: an epoch of VGG16, NiN and ResNet50 takes 25 to 94 TFLOP.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import models
from experiments import lab
from experiments.lab.victims import check_network, check_weights, how, split_spec

PAPER = lab.published(__file__)["table1"]
Specs = tuple[Annotated[str, lab.Subject], ...]
COLUMNS = ("accuracy (%)", "test images", "training")


@lab.settings
class Settings:
    datasets: Annotated[tuple[lab.Dataset, ...], lab.distinct] = tuple(PAPER)  # of the table
    # NAME=FILE, or NAME to train it here; by default the paper's
    networks: Specs | None = None
    training_seed: lab.Seed = 0  # of networks that are trained here
    num_epochs: lab.Count | None = None  # train for at most this many, where the recipe has more

    def check(self) -> None:
        names = [split_spec(spec, "networks")[0] for spec in self.networks or ()]
        if len(set(names)) < len(names):
            raise ValueError(f"networks: expected different ones, got {' '.join(names)}")
        pairs = self.pairs()
        used = {lab.name_of(spec) for _, spec in pairs}
        if unused := [name for name in names if name not in used]:
            known = sorted({name for dataset in self.datasets for name in PAPER[dataset]})
            where = ", ".join(self.datasets)
            raise ValueError(
                f"networks: expected one of {', '.join(known)} for {where}, got {unused[0]!r}"
            )
        if not pairs:
            where = "" if self.networks is not None else f" for {', '.join(self.datasets)}"
            raise ValueError(f"networks: expected at least one{where}, got none")
        for dataset, spec in pairs:
            check_network(spec, dataset, "networks")
        for dataset, spec in pairs:
            shape, names = models.image_shape(dataset), models.class_names(dataset)
            check_weights(spec, shape, len(names), "networks")

    def pairs(self) -> list[tuple[str, str]]:
        """Data sets and networks; of the paper's data sets only with the paper's networks."""
        pairs = []
        for dataset in self.datasets:
            of_paper = tuple(PAPER.get(dataset, ()))
            for spec in of_paper if self.networks is None else self.networks:
                if dataset not in PAPER or lab.name_of(spec) in of_paper:
                    pairs.append((dataset, spec))
        return pairs


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP and a CNN on scikit-learn's digits",
        "--datasets digits --networks mlp cnn",
    ),
    "reduced": lab.preset(
        "the networks that need no GPU",
        "--datasets mnist fashion_mnist",
    ),
}


def records(s: Settings, run: lab.Run) -> lab.Records:
    """A record for each data set and network."""
    rows = []
    for dataset, spec in s.pairs():
        data = models.load_dataset(dataset)
        card = lab.load_victim(spec, data, s.training_seed, s.num_epochs).card
        rows.append(
            lab.Records.of(
                dataset=[dataset],
                network=lab.name_of(spec),
                accuracy=card["accuracy"],
                num_test_images=card["num_test_images"],
                training=how(card),
                seed=card.get("seed", 0),
            )
        )
    return lab.Records.joined(rows)


def tables(s: Settings, found: lab.Records) -> Iterator[lab.Table]:
    rows, measured, paper = [], [], []
    for row in found.table.to_pylist():
        dataset, network = row["dataset"], row["network"]
        seed = f" (seed {row['seed']})" if row["seed"] else ""
        rows.append(f"{dataset}, {network}{seed}")
        accuracy = f"{100 * row['accuracy']:.2f}"
        measured.append([accuracy, row["num_test_images"], row["training"]])
        paper.append([PAPER.get(dataset, {}).get(network), None, None])
    beside = paper if any(row[0] for row in paper) else None
    yield lab.Table("Test accuracy", COLUMNS, rows, measured, beside)


def pictures(s: Settings, found: lab.Records, out: Path) -> Iterable[lab.Picture]:
    return ()


def notes(s: Settings, found: lab.Records) -> Iterator[str]:
    yield "Widths, batch sizes and numbers of epochs are not in the paper: ours are assumptions."
    yield (
        "The two CNNs' numbers are as in tables 14 and 15, whose others differ from table 1's by a "
        "point or two."
    )


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Accuracies of the attacked networks",
    source="Kumano et al. (2020), table 1",
    paper="eleven trainings, three of them on a GPU",
)  # fmt: skip
