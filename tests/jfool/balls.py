"""Points in and out of balls, and independent ways to find the nearest point of ball and box."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq, linprog, minimize

from jfool.base import pytree
from jfool.constraints import L0, L1, L2, Linf

SHAPE = (2, 3, 2)
BALLS = {"linf": Linf(), "l2": L2(), "l1": L1(), "l0": L0()}


@pytree
class Job:
    image: Any
    epsilon: Any


def job(image: Any, epsilon: Any) -> Job:
    return Job(jnp.asarray(image, jnp.float32), jnp.asarray(epsilon, jnp.float32))


def cases(name: str, count: int, seed: int = 0, shape=SHAPE) -> tuple[Job, np.ndarray]:
    """Jobs and images of all kinds: centers at corners, steps far out of the box, ties, points that
    are inside already, radii from tiny to more than the box."""
    rng = np.random.default_rng(seed)
    center = rng.random((count, *shape))
    center = np.where(rng.random(center.shape) < 0.3, np.round(center), center)
    reach = 10 ** rng.uniform(-3, 1, (count, 1, 1, 1))
    image = center + reach * rng.normal(size=center.shape)
    image[rng.random(image.shape) < 0.1] = 1
    even = rng.random(count) < 0.2
    image[even], center[even] = np.round(4 * image[even]) / 4, np.round(4 * center[even]) / 4
    still = rng.random((count, *shape[:2])) < 0.2
    image[still] = center[still]
    epsilon = {
        "linf": 10 ** rng.uniform(-3, 0.2, count),
        "l2": 10 ** rng.uniform(-3, 0.7, count),
        "l1": 10 ** rng.uniform(-3, 1.2, count),
        "l0": rng.integers(0, shape[0] * shape[1] + 2, count),
    }[name]
    epsilon[rng.random(count) < 0.03] = 0
    return job(center, epsilon), image.astype(np.float32)


def exact_distance(name: str, image: Any, center: Any) -> np.ndarray:
    """`[N]`, in float64."""
    delta = np.abs(np.asarray(image, np.float64) - np.asarray(center, np.float64))
    flat = delta.reshape(len(delta), -1)
    if name == "l0":
        return (delta > 0).any(-1).sum((1, 2))
    return np.linalg.norm(flat, {"l1": 1, "l2": 2, "linf": np.inf}[name], axis=1)


def nearest(name: str, image: np.ndarray, center: np.ndarray, epsilon: float) -> np.ndarray:
    """The nearest point of ball and box to one image, in float64, by solving for the multiplier."""
    delta = image - center
    low, high = -center, 1 - center

    def point(multiplier: float) -> np.ndarray:
        if name == "l2":
            return np.clip(delta / (1 + multiplier), low, high)
        soft = np.sign(delta) * np.maximum(np.abs(delta) - multiplier, 0)
        return np.clip(soft, low, high)

    def excess(multiplier: float) -> Any:
        return np.linalg.norm(point(multiplier).ravel(), {"l2": 2, "l1": 1}[name]) - epsilon

    if name == "linf":
        return center + np.clip(np.clip(delta, -epsilon, epsilon), low, high)
    if excess(0) <= 0:
        return center + point(0)
    if epsilon == 0:
        return center
    most = {"l1": np.abs(delta).max(), "l2": 2 * np.linalg.norm(delta) / epsilon}[name]
    return center + point(brentq(excess, 0, most, xtol=1e-14, rtol=1e-14))


def nearest_by_descent(name: str, image: np.ndarray, center: np.ndarray, epsilon: float) -> Any:
    """The same by a general solver, which is told the problem alone; for L1 with one variable for
    each sign of delta, in which the ball is linear."""
    delta, signs = (image - center).ravel(), {"l2": [1], "l1": [1, -1]}[name]
    to_delta = np.concatenate([sign * np.eye(delta.size) for sign in signs], axis=1)

    def objective(parts: np.ndarray) -> tuple[Any, np.ndarray]:
        rest = to_delta @ parts - delta
        return 0.5 * rest @ rest, to_delta.T @ rest

    margin, slope = {
        "l2": (lambda parts: epsilon**2 - parts @ parts, lambda parts: -2 * parts),
        "l1": (lambda parts: epsilon - parts.sum(), lambda parts: -np.ones_like(parts)),
    }[name]
    low, high = -center.ravel(), 1 - center.ravel()
    bounds = {"l2": [low, high], "l1": [0 * np.append(low, low), np.append(high, -low)]}[name]
    found = minimize(
        objective, np.zeros(to_delta.shape[1]), jac=True, method="SLSQP",
        bounds=list(zip(*bounds, strict=True)), options={"maxiter": 300, "ftol": 1e-14},
        constraints={"type": "ineq", "fun": margin, "jac": slope},
    )  # fmt: skip
    return center + (to_delta @ found.x).reshape(image.shape)


def least_squared_distance_l0(image: np.ndarray, center: np.ndarray, epsilon: int) -> float:
    """The least squared distance to an image that changes epsilon pixels, over all their sets."""
    boxed = np.clip(image, 0, 1)
    keep, drop = ((image - boxed) ** 2).sum(-1).ravel(), ((image - center) ** 2).sum(-1).ravel()
    pixels = range(keep.size)
    return min(
        sum(keep[i] if i in chosen else drop[i] for i in pixels)
        for chosen in map(set, itertools.combinations(pixels, min(epsilon, keep.size)))
    )


def to_plane(name: str, image: np.ndarray, normal: np.ndarray, gap: float) -> np.ndarray:
    """The least d with normal . d = gap and image + d in the box, in float64: of the many in Linf
    the one in which all entries go as far as the farthest, or as their room; else all the room."""
    weight, side = np.abs(normal), np.sign(normal) * np.sign(gap)
    room = np.where(side > 0, 1 - image, np.where(side < 0, image, 0))
    if name == "l1":
        order = np.argsort(-weight, axis=None)
        had = np.concatenate([[0], np.cumsum((weight * room).flat[order])])[:-1]
        heavy = weight.flat[order]
        going = np.clip((abs(gap) - had) / np.where(heavy > 0, heavy, 1), 0, room.flat[order])
        length = np.zeros(weight.size)
        length[order] = going
        return side * length.reshape(image.shape)
    unit = weight if name == "l2" else np.ones_like(weight)
    scales = np.sort(np.where(unit > 0, room / np.where(unit > 0, unit, 1), 0), axis=None)
    reached = [(weight * np.minimum(scale * unit, room)).sum() for scale in [0, *scales]]
    scale = np.interp(abs(gap), reached, [0, *scales])
    return side * np.minimum(scale * unit, room)


def norm_to_plane(name: str, image: np.ndarray, normal: np.ndarray, gap: float) -> float | None:
    """The norm of that d by a general solver, which is told the problem alone; None if there is
    no such d."""
    w, low, high = normal.ravel(), -image.ravel(), 1 - image.ravel()
    size, one = w.size, np.ones((w.size, 1))
    if name == "l2":
        if linprog(0 * w, A_eq=[w], b_eq=[gap], bounds=np.stack([low, high], 1)).status == 2:
            return None
        found = minimize(
            lambda d: (d @ d, 2 * d), np.clip(w * gap / (w @ w), low, high), jac=True,
            method="SLSQP", bounds=list(zip(low, high, strict=True)),
            options={"maxiter": 500, "ftol": 1e-15},
            constraints={"type": "eq", "fun": lambda d: w @ d - gap, "jac": lambda d: w},
        )  # fmt: skip
        return float(np.sqrt(found.fun))
    extra = one if name == "linf" else np.eye(size)  # the bound on |d|, of all or of each
    count = extra.shape[1]
    found = linprog(
        np.append(0 * w, np.ones(count)),
        A_ub=np.block([[np.eye(size), -extra], [-np.eye(size), -extra]]),
        b_ub=np.zeros(2 * size),
        A_eq=[np.append(w, np.zeros(count))],
        b_eq=[gap],
        bounds=[*zip(low, high, strict=True), *[(0, None)] * count],
    )
    return None if found.status == 2 else float(found.fun)


def each(method: Any) -> Any:
    """A method for one job, compiled for many."""
    return jax.jit(jax.vmap(method))
