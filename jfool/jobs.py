"""Arrays of jobs: pytrees whose leaves have a leading axis N."""

import dataclasses
import math
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jfool.base import is_key
from jfool.numbers import brief, check_whole, is_kind, known
from jfool.rows import Rows, as_numpy

J = TypeVar("J")
_MOST_JOBS = 2**26


def grid(job_type: type[J] | J, repeats: int = 1, **axes: Any) -> J:
    """Jobs for every combination of the given values, the first field varying slowest.

    Args:
      job_type: a job dataclass, e.g. `jfool.SparseJob`; or jobs `[M]` of one, such as images with
        their labels, whose rows stay together and vary slowest.
      repeats: copies of each combination, with different draws; they vary fastest.
      axes: one sequence of values per field, or `jfool.Rows`; a scalar is the same for all jobs. A
        color is itself a sequence: one base color for all jobs is `[[0.5, 0.5, 0.5]]`.
    Returns:
      `job_type` with NumPy leaves of N = (product of the lengths) x repeats rows.
    Raises:
      TypeError: a field is unknown or missing.
      TypeError, ValueError: the values of a field are no numbers, or differ in shape.
    Example:
      >>> from jfool import SparseJob
      >>> jobs = grid(SparseJob, base=[[0.0], [1.0]], target=range(3), k=5)
      >>> jobs.target, jobs.base[:, 0]
      (array([0, 1, 2, 0, 1, 2]), array([0., 0., 0., 1., 1., 1.]))
      >>> jobs = grid(SparseJob(base=np.eye(3), label=np.arange(3), k=np.ones(3, int)), k=[1, 5])
      >>> jobs.label, jobs.k
      (array([0, 0, 1, 1, 2, 2]), array([1, 5, 1, 5, 1, 5]))
    """
    check_whole("repeats", repeats, 1)
    kind: Any = job_type
    together: dict[str, Any] = {}
    if dataclasses.is_dataclass(job_type) and not isinstance(job_type, type):
        given = {
            field.name: getattr(job_type, field.name) for field in dataclasses.fields(job_type)
        }
        together = {
            n: as_numpy(as_array(f"job_type.{n}", v))
            for n, v in given.items()
            if v is not None and n not in axes
        }
        if not all(value.ndim for value in together.values()):
            raise TypeError(
                "job_type: expected jobs such as jfool.SparseJob, or rows of them, "
                f"got one {type(job_type).__name__}"
            )
        kind = type(job_type)
    _check_fields(kind, together | axes)
    values = {name: as_numpy(as_array(name, axis)) for name, axis in axes.items()}
    lengths = [len(v) if v.ndim else 1 for v in values.values()]
    counts = (num_jobs(together) if together else 1, *lengths, repeats)
    if (total := math.prod(counts)) > _MOST_JOBS:
        raise ValueError(
            f"repeats: expected at most {_MOST_JOBS} jobs in all, got {total} (make fewer)"
        )
    rows = np.stack(np.unravel_index(np.arange(total), counts), axis=1)
    picked = {
        name: (value if value.ndim else value[None])[rows[:, 1 + i]]
        for i, (name, value) in enumerate(values.items())
    }
    return kind(**{name: value[rows[:, 0]] for name, value in together.items()}, **picked)


def _check_fields(job_type: type, axes: dict[str, Any]) -> None:
    if not (isinstance(job_type, type) and dataclasses.is_dataclass(job_type)):
        raise TypeError(f"job_type: expected jobs such as jfool.SparseJob, got {brief(job_type)}")
    fields = {field.name: field for field in dataclasses.fields(job_type)}
    if unknown := axes.keys() - fields.keys():
        raise TypeError(
            f"{sorted(unknown)[0]}: expected a field of {job_type.__name__} "
            f"({', '.join(fields)}), got another"
        )
    needed = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in needed if name not in axes]:
        raise TypeError(f"{missing[0]}: expected values for this field of the jobs, got none")


def as_arrays(jobs: Any) -> Any:
    """Jobs whose fields are arrays of numbers: a list, a tuple, a range, or what NumPy can read
    becomes one. Lists and tuples of arrays stay what they are in jobs of a user's own type.

    Raises:
      TypeError, ValueError: naming the field.
    """
    if isinstance(jobs, (list, tuple)) and any(map(dataclasses.is_dataclass, jobs)):
        raise TypeError(
            "jobs: expected one object whose fields have a leading axis N, got a "
            f"{type(jobs).__name__} of {len(jobs)} (such as jfool.grid makes; or stack them: "
            "jax.tree.map(lambda *fields: numpy.stack(fields), *jobs))"
        )

    ours = type(jobs).__module__.startswith("jfool.")

    def is_field(node: Any) -> bool:
        listed = node is not jobs and type(node) in (list, tuple)
        return listed and (ours or not any(map(_is_array, jax.tree.leaves(node))))

    def to_array(path: Any, field: Any) -> Any:
        return as_array(f"jobs{jax.tree_util.keystr(path)}", field)

    return jax.tree_util.tree_map_with_path(to_array, jobs, is_leaf=is_field)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (np.ndarray, jax.Array, Rows)) and leaf.ndim > 0


def as_array(name: str, field: Any) -> Any:
    """An array of numbers; JAX's own, such as traced ones, and `Rows` as they are.

    Raises:
      TypeError, ValueError: naming the field.
    """
    if isinstance(field, Rows) or (isinstance(field, jax.Array) and not is_key(field)):
        return field
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(field))
    try:
        array = jnp.asarray(field) if traced else np.asarray(field)
    except Exception:
        array = known(field)
    if array.dtype == object:
        raise ValueError(f"{name}: expected numbers of one shape, got {brief(field)}")
    if not (is_kind(array, np.number) or array.dtype == bool):
        raise TypeError(f"{name}: expected numbers, got {brief(field)}")
    if traced or array.dtype.isnative:
        return array
    return array.astype(array.dtype.newbyteorder("="))  # JAX knows no other order of bytes


def original(job: Any, image_shape: tuple[int, int, int]) -> Any:
    """The image `[H, W, C]` that an attack of one job alters: `job.image`, or `job.base`, a color
    or an image; None if it has neither."""
    given = getattr(job, "image", None)
    given = getattr(job, "base", None) if given is None else given
    return None if given is None else jnp.broadcast_to(jnp.asarray(given, jnp.float32), image_shape)


def num_jobs(jobs: Any) -> int:
    """The common leading axis N of all leaves.

    Raises:
      ValueError: there are no jobs, or the leaves disagree.
    """
    sizes = {
        jax.tree_util.keystr(path): np.shape(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(jobs)
    }
    if not sizes:
        raise ValueError("jobs: expected arrays with a leading axis of jobs, got no arrays")
    (first, shape), *others = sizes.items()
    odd = {name: other for name, other in others if other[:1] != shape[:1]}
    if odd or not shape:
        two = [(first, shape), *odd.items()][:2]
        listed = " and ".join(f"{name[:60]} {list(shape)}" for name, shape in two)
        raise ValueError(
            f"jobs: expected the same leading axis of jobs on all fields, got {listed} (jfool.grid "
            "repeats one value for all jobs)"
        )
    count = shape[0]
    if count == 0:
        raise ValueError("jobs: expected at least one job, got none")
    return count


def gathered(jobs: Any) -> Any:
    """The same jobs with all their images in memory."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, Rows) else leaf, jobs)


def on_host(jobs: Any) -> Any:
    """Jobs as NumPy arrays of 32-bit numbers, like those of `loop.strong`; rows stay unread."""
    return jax.tree.map(_on_host, jobs)


def _on_host(leaf: Any) -> Any:
    leaf = as_numpy(leaf)
    for kind, dtype in ((jnp.floating, np.float32), (jnp.integer, np.int32)):
        if jnp.issubdtype(leaf.dtype, kind) and leaf.dtype != dtype:
            return leaf.astype(dtype)
    return leaf
