"""What a search for sparse fooling images hands over: tables, pictures, files and one JSON line."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.lab import record
from experiments.lab.found import Found, joined
from experiments.lab.outcome import Outcome
from experiments.lab.picture import draw
from experiments.lab.tables import best_table, mean_table, percent, print_table

_HIGH = (0.9, 0.99)


def publish(outcome: Outcome, folder: Path, heading: Mapping[str, Any]) -> None:
    """Writes the files, prints the tables, and the JSON line last."""
    parts = [outcome.found] if outcome.retried is None else [outcome.found, outcome.retried]
    every = joined(parts)
    record.write_arrays(
        folder / record.IMAGES,
        images=every.images,
        genotypes=every.genotypes,
        job_ids=np.array([row.job_id for row in every.rows]),
    )
    summary = {
        **heading,
        "settings": outcome.settings,
        "figures": figures(outcome),
        "model": outcome.card,
        **record.versions(),
    }
    rows = [dataclasses.asdict(row) for row in every.rows]
    record.write_json(folder / record.RESULTS, {**summary, "rows": rows})
    draw(outcome, folder / record.GALLERY)  # behind the figures, which no picture may cost
    print_tables(outcome)
    print(f"{folder / record.GALLERY} shows the images; {folder / record.RESULTS} has the figures.")
    accuracy = {"test_accuracy": outcome.card["accuracy"]}
    summary = {k: v for k, v in summary.items() if k not in ("compared", "model")}
    record.print_json({**summary, **accuracy, "out": folder.resolve()})


def figures(outcome: Outcome) -> dict[str, Any]:
    """What the tables say, and what it cost."""
    every = outcome.found.rows + (outcome.retried.rows if outcome.retried else [])
    fooled = [row.prediction == row.label for row in outcome.found.rows]
    summary = {
        "bases": outcome.bases,
        "labels": outcome.labels,
        "plain": outcome.plain,
        **_tables(outcome, outcome.found),
        "num_searches": len(outcome.found.rows),
        "num_fooled": sum(fooled),
        "num_success": sum(row.success for row in outcome.found.rows),
        "num_success_uint8": sum(row.success_uint8 for row in outcome.found.rows),
        "num_queries": sum(row.num_queries for row in every),
        "num_steps": sum(row.num_steps for row in every),
        "seconds": {name: round(value, 2) for name, value in outcome.seconds.items()},
    }
    if outcome.retried is not None:
        retried = _tables(outcome, outcome.retried)
        summary["retried_log_confidence"] = {
            **retried,
            "cells": int(np.isfinite(retried["best"]).sum()),
            "num_searches": len(outcome.retried.rows),
        }
    return summary


def _tables(outcome: Outcome, found: Found) -> dict[str, Any]:
    best = best_table(found.rows, outcome.bases, outcome.labels)
    at_least = {
        f"cells_at_{percent(threshold)}": {
            base: int((row >= threshold).sum())
            for base, row in zip(outcome.bases, best, strict=True)
        }
        for threshold in _HIGH
    }
    return {"best": best, "mean": mean_table(found.rows, outcome.bases, outcome.labels), **at_least}


def print_tables(outcome: Outcome) -> None:
    """Of the highest confidences, of the mean ones if there were repeats, and of what was tried
    again."""
    names = [outcome.class_names[label] for label in outcome.labels]
    repeats = outcome.settings["repeats"]
    at_most = "up to " if outcome.settings["stop_at_success"] else ""
    searches = f"{at_most}{repeats} searches"
    beside = "in parentheses that of the colour alone"
    best = best_table(outcome.found.rows, outcome.bases, outcome.labels)
    what = f"Highest confidence (%) of {searches}" if repeats > 1 else "Confidence (%)"
    title = f"k = {outcome.settings['k']}: {what}, {beside}"
    print_table(title, best, outcome.bases, names, outcome.plain)
    if repeats > 1:
        mean = mean_table(outcome.found.rows, outcome.bases, outcome.labels)
        title = f"k = {outcome.settings['k']}: mean confidence (%) of {searches}, {beside}"
        print_table(title, mean, outcome.bases, names, outcome.plain)
    if outcome.retried is not None:
        again = best_table(outcome.retried.rows, outcome.bases, outcome.labels)
        print_table(
            "Below 1 %: searched again for the log-confidence, highest confidence (%)",
            again,
            outcome.bases,
            names,
        )
