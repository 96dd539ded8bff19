"""AutoAttack: what to run, one after another, on the images that are still right. (Croce & Hein,
2020)"""

import dataclasses
from typing import Any

from jfool.arguments import check_image_shape, check_num_classes
from jfool.attacks.adaptive_boundary import FAB
from jfool.attacks.auto_pgd import APGD
from jfool.attacks.in_turn import InTurn
from jfool.attacks.perturbing import check_ball
from jfool.attacks.square import Square
from jfool.attacks.stage import Stage
from jfool.constraints import L1, Constraint
from jfool.numbers import check_choice
from jfool.objectives import LogitRatio, Margin, TargetLogitRatio, Untargeted
from jfool.search.adaptive_boundary import ToTarget

_NUM_STEPS = 100
_NUM_QUERIES = 5000
VERSIONS = ("standard", "plus")
MARGIN = "apgd-margin"  # the stage in place of "apgd-t", where there are few classes


def auto_attack(
    image_shape: tuple[int, int, int],
    num_classes: int,
    constraint: Constraint,
    version: str = "standard",
) -> tuple[Stage, ...]:
    """The attacks of AutoAttack, for `jfool.robust_accuracy`.

    "standard" is Auto-PGD with the cross-entropy, Auto-PGD with the targeted logit ratio, targeted
    FAB, and Square; "plus" is Auto-PGD with the cross-entropy and with the logit ratio, and
    untargeted FAB, each from five starts, then Square and the two targeted attacks. Auto-PGD and
    FAB take 100 steps a start, Square 5 000. The nine targets (of Auto-PGD in the L1 ball five) are
    the classes with the largest logits for the clean image; with K classes there are at most K - 1.
    The logit ratios need three and four classes: with fewer, the margin takes their place. Of the
    five starts of FAB all are random; in the reference code the first is the image itself.

    Args:
      image_shape: (H, W, C).
      num_classes: K.
      constraint: `Linf()`, `L2()` or `L1()`.
      version: "standard" or "plus".
    Raises:
      TypeError, ValueError: one of them cannot work.
    Example:
      >>> import jfool
      >>> [stage.name for stage in auto_attack((28, 28, 1), 10, jfool.Linf())]
      ['apgd-ce', 'apgd-t', 'fab-t', 'square']

    Reference: Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks, arXiv:2003.01690.
    """
    check_image_shape(image_shape)
    check_num_classes(num_classes)
    check_ball(constraint)
    check_choice("version", version, VERSIONS)
    shape = image_shape, num_classes
    sparse = isinstance(constraint, L1)
    num_targets = min(9, num_classes - 1)
    num_apgd_targets = min(5, num_targets) if sparse else num_targets
    extra = 2 if sparse else 0  # the second and third stage of Auto-PGD show a start too

    def in_turn(name: str, attack: Any, num_turns: int, num_steps: int, targets: bool) -> Stage:
        turns = InTurn(attack, num_turns, num_steps)
        return Stage(name, turns, turns.num_calls - 1, num_turns if targets else 0)

    def apgd(name: str, num_turns: int, targets: bool = False, **objective: Any) -> Stage:
        attack = APGD(*shape, constraint=constraint, num_steps=_NUM_STEPS, **objective)
        return in_turn(name, attack, num_turns, _NUM_STEPS + extra, targets)

    margin = Untargeted(Margin())
    ratio = LogitRatio() if num_classes >= LogitRatio.least_classes else margin
    targeted = num_classes >= TargetLogitRatio.least_classes
    fab = FAB(*shape, constraint=constraint)
    to_target = dataclasses.replace(fab, boundaries=ToTarget())
    random_fab = dataclasses.replace(fab, random_start=True)

    apgd_targeted = (
        apgd("apgd-t", num_apgd_targets, targets=True, objective=TargetLogitRatio())
        if targeted
        else apgd(MARGIN, num_apgd_targets, objective=margin)
    )
    fab_targeted = in_turn("fab-t", to_target, num_targets, _NUM_STEPS - 1, targets=True)
    square = Stage("square", Square(*shape, constraint=constraint), _NUM_QUERIES)
    if version == "standard":
        cross_entropy = apgd("apgd-ce", 5 if sparse else 1)
        return cross_entropy, apgd_targeted, fab_targeted, square
    return (
        apgd("apgd-ce", 5),
        apgd("apgd-dlr", 5, objective=ratio),
        in_turn("fab", random_fab, 5, _NUM_STEPS - 1, targets=False),
        square,
        apgd_targeted,
        fab_targeted,
    )
