"""Attacks by steps along the gradient: FGSM, BIM, PGD and MI-FGSM."""

from dataclasses import KW_ONLY
from typing import Any

from jax.typing import ArrayLike

from jfool.attacks.perturbing import CROSS_ENTROPY, Perturbing
from jfool.base import pytree, static
from jfool.constraints import Constraint, Linf
from jfool.numbers import check_number
from jfool.objectives import Objective
from jfool.search.projected_steps import ProjectedSteps


@pytree
class FGSM(Perturbing):
    """The fast gradient sign method: one step of length epsilon. (Goodfellow, Shlens & Szegedy,
    2015)

      x* = clip(x + epsilon sign(dL/dx))

    Run it for one step, with `keep="last"`, and it takes one gradient. With `L2()` it is the fast
    gradient method.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      constraint: `Linf()`, or another ball around the image.
      objective: what to raise: by default the cross-entropy of the label.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> image, label = jnp.full((1, 2, 2, 3), 0.5), jnp.array([0])
      >>> jobs = jfool.PerturbationJob(image, jnp.array([0.1]), label)
      >>> attack = jfool.FGSM((2, 2, 3), 3)
      >>> result = jfool.run(jax.random.key(0), attack, model, jobs, num_steps=1, keep="last")
      >>> int(result.num_gradients[0]), round(float(result.distances["linf"][0]), 3)
      (1, 0.1)

    Reference: Explaining and harnessing adversarial examples, arXiv:1412.6572.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    constraint: Constraint = Linf()
    objective: Objective = CROSS_ENTROPY

    @property
    def search(self) -> ProjectedSteps:
        return ProjectedSteps(1.0, relative=True)


@pytree
class BIM(Perturbing):
    """The basic iterative method: small steps from the image itself. (Kurakin, Goodfellow &
    Bengio, 2017)

      x <- clip(x + alpha sign(dL/dx))

    The paper moves one gray level a step, min(epsilon + 4, 1.25 epsilon) steps for an epsilon in
    gray levels. With `objective=LogConfidence()` and `target=jfool.least_likely(model, images)` it
    is the iterative least-likely class method.

    Attributes:
      image_shape, num_classes, constraint, objective: as `FGSM`.
      step_size: alpha, in image units.
    Reference: Adversarial examples in the physical world, arXiv:1607.02533.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    step_size: ArrayLike = 1 / 255
    constraint: Constraint = Linf()
    objective: Objective = CROSS_ENTROPY

    @property
    def search(self) -> ProjectedSteps:
        return ProjectedSteps(self.step_size)


@pytree
class PGD(Perturbing):
    """Projected gradient descent from a random start in the ball. (Madry et al., 2018)

      x <- project(x + alpha direction(dL/dx))

    The paper's numbers: MNIST epsilon 0.3, 40 steps of 0.01; CIFAR-10 epsilon 8/255, steps of
    2/255; all with `keep="last"`. Its CW attack is `objective=AtMost(Untargeted(Margin()), 50)`.

    Attributes:
      image_shape, num_classes, constraint, objective: as `FGSM`.
      step_size: alpha, in image units.
      random_start: False starts at the image, as `BIM` does.
    Reference: Towards deep learning models resistant to adversarial attacks, arXiv:1706.06083.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    step_size: ArrayLike = 2 / 255
    constraint: Constraint = Linf()
    objective: Objective = CROSS_ENTROPY
    random_start: bool = static(default=True)

    @property
    def search(self) -> ProjectedSteps:
        return ProjectedSteps(self.step_size, random_start=self.random_start)


@pytree
class MIFGSM(Perturbing):
    """The momentum iterative fast gradient sign method. (Dong et al., 2018)

      g <- mu g + dL/dx / ||dL/dx||_1
      x <- clip(x + alpha sign(g)),   alpha = epsilon / 10

    The paper takes ten steps; with mu = 0 it is `BIM`.

    Attributes:
      image_shape, num_classes, constraint, objective: as `FGSM`.
      momentum: mu.
      relative_step_size: alpha / epsilon.
    Reference: Boosting adversarial attacks with momentum, arXiv:1710.06081.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    momentum: ArrayLike = 1.0
    relative_step_size: ArrayLike = 0.1
    constraint: Constraint = Linf()
    objective: Objective = CROSS_ENTROPY

    @property
    def search(self) -> ProjectedSteps:
        return ProjectedSteps(self.relative_step_size, self.momentum, relative=True)

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_number("relative_step_size", self.relative_step_size, "a positive number", above=0)
        super().check(jobs)
