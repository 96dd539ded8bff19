"""A run of an experiment: its folder, and sweeps that resume."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

import jfool
from experiments.lab.kinds import Evolution
from experiments.lab.progress import sweep_progress
from jfool.sweeps import Results


@dataclass(frozen=True)
class Run:
    """
    Attributes:
      folder: of the section, and of all that a run keeps; nothing in it is computed twice.
    """

    folder: Path

    def sweep(
        self,
        name: str,
        key: jax.Array,
        attack: Any,
        model: Any,
        jobs: Any,
        *,
        lanes: int,
        title: str = "searches",
        **options: Any,
    ) -> Results:
        """`jfool.sweep` into a folder of the run, with its progress on standard error.

        Args:
          name: of the folder.
          key, attack, model, jobs: as `jfool.sweep` takes them.
          lanes: jobs side by side, at most.
          title: of the progress.
          options: further ones of `jfool.sweep`.
        """
        (count,) = {len(leaf) for leaf in jax.tree.leaves(jobs)}
        with sweep_progress(title) as on_progress:
            return jfool.sweep(
                key,
                attack,
                model,
                jobs,
                folder=self.folder / name,
                lanes=min(lanes, count),
                **{"on_progress": on_progress, **options},
            )

    def evolve(
        self, name: str, search: Evolution, attack: Any, model: Any, jobs: Any, **options: Any
    ) -> Results:
        """The same for searches by differential evolution, with their settings."""
        usual = {
            "num_steps": search.generations,
            "until": search.criterion,
            "chunk": search.population if search.chunk is None else search.chunk,
        }
        options = {"lanes": search.lanes, **usual, **options}
        return self.sweep(name, search.key, attack, model, jobs, **options)
