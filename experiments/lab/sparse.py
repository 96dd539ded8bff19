"""Sparse fooling images for every k, base color and class, several times over.

`R` records, `C` channels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

import jfool
from experiments.lab.colors import MAX_COLORS, Color, parse_colors
from experiments.lab.kinds import Evolution
from experiments.lab.predict import probabilities
from experiments.lab.records import Records
from experiments.lab.run import Run
from experiments.lab.victims import Victim
from jfool.sweeps import Results

Shape = tuple[int, int, int]
_NO_STEP = 2**31 - 1  # of a search, whose steps draw from folds of the job's key
MEASURED = (
    *("confidence", "prediction", "success", "confidence_uint8", "success_uint8", "stopped"),
    *("num_queries", "num_steps"),
)


def cells(
    ks: Sequence[int],
    colors: Sequence[str],
    classes: Sequence[int],
    repeats: int,
    *,
    num_classes: int,
    shape: Shape,
    first_id: int = 0,
) -> Records:
    """What is searched for: a record for each k, base color, class to reach, and repeat.

    A record's `job_id` names the draws of its search. It does not depend on which other colors and
    classes are asked for; with one k, nor on the number of repeats.

    Args:
      ks: the most pixels that are altered.
      colors: names, gray levels, or r,g,b; see `parse_colors`.
      classes: to be reached.
      repeats: searches of each k, color and class.
      num_classes: of the network.
      shape: (H, W, C) of the images.
      first_id: added to all ids, for further rounds of searches.
    """
    parsed = parse_colors(colors, shape[2], "the network")
    found = [
        (_job_id(i, color, target, repeat, repeats, num_classes), k, color.name, target, repeat)
        for i, k in enumerate(ks)
        for color in parsed
        for target in classes
        for repeat in range(repeats)
    ]
    ids, k, color, target, repeat = map(list, zip(*found, strict=True))
    base = {c.name: c.base(shape[2]) for c in parsed}
    return Records.of(
        job_id=np.array(ids) + first_id,
        k=k,
        color=color,
        target=target,
        repeat=repeat,
        base=np.array([base[name] for name in color], np.float32),
    )


def search(
    run: Run,
    name: str,
    attack: Any,
    model: Any,
    wanted: Records,
    settings: Evolution,
    **options: Any,
) -> Records:
    """Runs a sparse attack for all records; what lies in the folder is not run again.

    Args:
      run: whose folder keeps the sweep.
      name: of the sweep's folder, and of the progress.
      attack: such as `jfool.SparseFooling`.
      model: as `jfool.run` takes it.
      wanted: with `job_id`, `target`, `base` and `k`; see `cells`.
      settings: of the searches.
      options: further ones of `jfool.sweep`.
    Returns:
      The records, with `MEASURED` (see `jfool.AttackResult`), `image`, and `fooled`: whether the
      target is predicted, however confident.
    """
    jobs = jobs_of(wanted)
    results = run.evolve(name, settings, attack, model, jobs, job_ids=wanted["job_id"], **options)
    return found_in(results, attack, wanted)


def search_grid(
    run: Run,
    victim: Victim,
    settings: Evolution,
    *,
    ks: Sequence[int],
    colors: Sequence[str],
    classes: Sequence[int] | None = None,
    repeats: int = 1,
    name: str = "sweep",
    attack: Any = None,
    **options: Any,
) -> Records:
    """Sparse fooling images for every k, color and class, several times over.

    Args:
      attack: by default `jfool.SparseFooling` with the settings' search.
    Returns:
      As `search`, with `plain`: the confidence of the base color alone in the target.
    """
    shape, num_classes = victim.image_shape, victim.num_classes
    classes = range(num_classes) if classes is None else classes
    wanted = cells(ks, colors, classes, repeats, num_classes=num_classes, shape=shape)
    if attack is None:
        attack = jfool.SparseFooling(shape, num_classes, max_k=max(ks), search=settings.search())
    found = search(run, name, attack, victim.model, wanted, settings, **options)
    return beside_colors(found, victim.model, colors, shape)


def beside_colors(found: Records, model: Any, colors: Sequence[str], shape: Shape) -> Records:
    """The records with `plain`: the confidence of the base color alone in the target."""
    alone = plain_confidences(model, colors, shape)
    pairs = found.columns("color", "target")
    return found.plus(plain=[float(alone[color][target]) for color, target in pairs])


def jobs_of(wanted: Records) -> jfool.SparseJob:
    """The jobs of records with `target`, `base` and `k`."""
    return jfool.SparseJob(
        target=wanted["target"], base=np.asarray(wanted["base"], np.float32), k=wanted["k"]
    )


def found_in(results: Results, attack: Any, wanted: Records) -> Records:
    """The records of finished jobs, in their order, with what was measured and the images."""
    found = measured_in(results, wanted)
    rows = found["row"].tolist()
    return found.plus(image=results.images(attack, jfool.SparseJob, rows)).without("row")


def measured_in(results: Results, wanted: Records) -> Records:
    """The same without images, but with `row`, the place in the results."""
    place = {job_id: i for i, job_id in enumerate(results.column("job_id").tolist())}
    finished = np.array([job_id in place for job_id in wanted["job_id"].tolist()], bool)
    found = wanted.rows(finished)
    rows = np.array([place[job_id] for job_id in found["job_id"].tolist()], int)
    measured = {name: results.column(name)[rows] for name in MEASURED}
    return found.plus(**measured, fooled=measured["prediction"] == found["target"], row=rows)


def drawn_ks(key: jax.Array, ids: Int[np.ndarray, " R"], max_k: int) -> Int[np.ndarray, " R"]:
    """For each job a number of pixels, uniform in 1 to `max_k`, drawn with the job's own key."""
    return np.asarray(_drawn(key, ids, max_k))


@jax.jit
def _drawn(key: jax.Array, ids: jax.Array, max_k: int) -> jax.Array:
    def draw(job: jax.Array) -> jax.Array:
        job_key = jax.random.fold_in(key, job)
        return jax.random.randint(jax.random.fold_in(job_key, _NO_STEP), (), 1, max_k + 1)

    return jax.vmap(draw)(ids)


def plain_confidences(
    model: Any, colors: Sequence[str], shape: Shape
) -> Mapping[str, Float[np.ndarray, " K"]]:
    """By color, what the model says of an image of nothing else."""
    parsed = parse_colors(colors, shape[2], "the network")
    return dict(zip((c.name for c in parsed), plain(model, parsed, shape), strict=True))


def plain(model: Any, colors: Sequence[Color], shape: Shape) -> Float[np.ndarray, "colors K"]:
    """The same, as an array."""
    images = [np.broadcast_to(color.base(shape[2]), shape) for color in colors]
    return probabilities(model, np.stack(images).astype(np.float32))


def _job_id(
    k_number: int, color: Color, target: int, repeat: int, repeats: int, num_classes: int
) -> int:
    return ((k_number * repeats + repeat) * num_classes + target) * MAX_COLORS + color.slot
