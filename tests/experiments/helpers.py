"""Runs of experiments in tests."""

from pathlib import Path
from typing import Any

from experiments import lab
from experiments.lab.section import Section


def smoke(experiment: lab.Experiment, **changes: Any) -> Any:
    """Settings of the smoke preset, with some changed."""
    return lab.changed(experiment.preset("smoke"), **changes)


def run(experiment: lab.Experiment, command: str, out: Path, **changes: Any) -> Section:
    """Runs the smoke preset, with some settings changed."""
    return experiment.run(command, "smoke", smoke(experiment, **changes), out)
