"""The figures of `bench peers`, and its table."""

import statistics
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.bench.peer_attacks import ART_POPULATION, Work


def summary(works: dict[str, list[Work]], population: int) -> dict[str, Any]:
    """Median times, and for each peer the median and the range of its ratios to jfool's time of the
    same repeat."""
    times = {name: [w.generation_ms(population) for w in work] for name, work in works.items()}
    figures: dict[str, Any] = {}
    for name in times.keys() - {"jfool"}:
        ratios = [peer / ours for peer, ours in zip(times[name], times["jfool"], strict=True)]
        figures[f"{name}_over_jfool"] = statistics.median(ratios)
        figures[f"{name}_over_jfool_range"] = [min(ratios), max(ratios)]
    medians = {f"{name}_ms": statistics.median(values) for name, values in times.items()}
    return dict(sorted(figures.items())) | medians


def evaluations(
    works: dict[str, list[Work]], images: int, population: int, generations: int
) -> dict[str, Any]:
    """What a run showed to the model, counted, beside what the settings ask for."""
    populations = images * (generations + 1)
    expected = dict.fromkeys(works, populations * population)
    expected["art"] = populations * ART_POPULATION
    return {
        "evaluations": {name: work[-1].candidates for name, work in works.items()},
        "evaluations_expected": expected,
        "success_checks": {name: work[-1].checks for name, work in works.items()},
    }


def print_table(figures: dict[str, Any]) -> None:
    """The figures of `summary` and `evaluations`, and the bare forward passes."""
    table = Table()
    for column in ("", "ms per generation and image", "over jfool", "evaluations", "checks"):
        table.add_column(column, justify="right" if column else "left")
    for name in figures["evaluations"]:
        table.add_row(
            name,
            f"{figures[f'{name}_ms']:.1f}",
            f"{figures.get(f'{name}_over_jfool', 1):.2f}",
            str(figures["evaluations"][name]),
            str(figures["success_checks"][name]),
        )
    for name in ("jax", "torch"):
        table.add_row(f"bare forward, {name}", f"{figures[f'{name}_forward_ms']:.1f}", "", "", "")
    console = Console()
    console.print(table)
    console.print(
        "Times are per population of evaluations actually made; checks are single images that the "
        "peers show besides, to see whether the best succeeds."
    )
