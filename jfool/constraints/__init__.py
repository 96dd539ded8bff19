"""Constraints: where an answer may lie, how far it is, and which way a step goes.

A constraint is a ball around `job.image` (`[H, W, C]`, in [0, 1]) with radius `job.epsilon` (`[]`,
in image units; for `L0` a number of pixels), always cut by the box [0, 1]. It holds no numbers of
its own, so one compiled program serves every radius.
"""

from jfool.constraints.base import Constraint
from jfool.constraints.l0 import L0
from jfool.constraints.l1 import L1
from jfool.constraints.l2 import L2
from jfool.constraints.linf import Linf
from jfool.constraints.norms import distances
from jfool.constraints.rounding import SLACK, inside, round_inside

__all__ = ["L0", "L1", "L2", "SLACK", "Constraint", "Linf", "distances", "inside", "round_inside"]
