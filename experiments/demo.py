"""The main job in a minute: LeNet takes black, grey and white images for all ten digits.

LeNet is trained on scikit-learn's bundled digits, without any download; thirty searches run in one
compiled call, with fewer candidates and generations than in paper 000. The network saw smoothly
enlarged scans only, and 5 pixels rarely fool it; 125 are the most that the paper alters.
"""

from dataclasses import dataclass
from pathlib import Path

from experiments import sfi
from experiments.lab import record


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      out: folder for results.json, images.npz and gallery.png; an earlier demo there is replaced.
      seed: of the searches.
      k: the most pixels that are altered.
      population: candidates of a generation (the paper: 500).
      generations: the most of a search (the paper: 1000).
      until: confidence at which a search ends.
      overwrite: replace the results of another experiment in that folder.
    """

    out: Path = Path("runs/demo")
    seed: int = 0
    k: int = 125
    population: int = 50
    generations: int = 400
    until: float = 0.99
    overwrite: bool = False


def main(config: Config) -> None:
    """Runs the demo; the last line on standard output is JSON."""
    settings = sfi.Config(
        dataset="digits",
        model="lenet",
        k=config.k,
        population=config.population,
        generations=config.generations,
        until=config.until,
        seed=config.seed,
        lanes=30,
        out=config.out,
    )
    sfi.check(settings)
    heading = {"experiment": "demo"}
    record.claim_folder(config.out, heading, overwrite=config.overwrite)
    sfi.run(settings, heading)
